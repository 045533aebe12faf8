from __future__ import annotations

import os
import subprocess
import time

import fiftyone.core.odm as foo
import pytest
from fiftyone_kit import T, assert_right, color_model, found, is_step, prompted_sample

from fiftyone_hs2s import HS2SError, propagate
from fiftyone_hs2s.dataset import claims
from fiftyone_hs2s.dataset.claims import Claim, ClaimedError, LostClaimError, any_claims

FIELDS = {"prompt_field": "frames.gt", "label_field": "pred"}


@pytest.fixture(scope="module")
def model():
    return color_model()


def documents(dataset) -> list[dict]:
    return list(foo.get_db_conn()["hs2s.claims"].find({"_id": {"$regex": str(dataset._doc.id)}}))


def change(**values) -> None:
    foo.get_db_conn()["hs2s.claims"].update_many({}, {"$set": values})


def test_one_run_at_a_time(dataset):
    with Claim(dataset, "sample a") as claim:
        claim.check()
        assert any_claims(dataset)
        with pytest.raises(ClaimedError, match=rf"process {os.getpid()} on .*\) works on sample a: wait"):
            Claim(dataset, "sample a").__enter__()
        with Claim(dataset, "sample b"):
            pass
    assert not any_claims(dataset)
    assert not documents(dataset)
    with Claim(dataset, "sample a"):
        pass


def test_claim_is_released_after_a_failure(dataset):
    with pytest.raises(RuntimeError), Claim(dataset, "sample a"):
        raise RuntimeError
    assert not documents(dataset)


def test_claim_lasts_while_its_owner_lives_and_no_longer(dataset, monkeypatch):
    monkeypatch.setattr(claims, "LEASE", 0.4)
    with Claim(dataset, "sample a"):
        time.sleep(1)
        with pytest.raises(ClaimedError):
            Claim(dataset, "sample a").__enter__()
    silent = Claim(dataset, "sample a")
    silent._renew = lambda: None
    silent.__enter__()
    change(**{"process.host": "elsewhere", "process.space": "elsewhere", "process.pid": 1})
    with pytest.raises(ClaimedError, match="process 1 on elsewhere"):
        Claim(dataset, "sample a").__enter__()
    time.sleep(0.5)
    with Claim(dataset, "sample a") as claim:
        claim.check()
        with pytest.raises(LostClaimError, match="another run has taken over sample a"):
            silent.check()
        silent.__exit__(None, None, None)
        claim.check()


def test_claim_of_a_dead_process_is_given_up_at_once(dataset):
    dead = subprocess.Popen(["true"])
    dead.wait()
    silent = Claim(dataset, "sample a").__enter__()
    change(**{"process.pid": dead.pid})
    assert not any_claims(dataset)
    with Claim(dataset, "sample a") as claim:
        claim.check()
    silent.__exit__(None, None, None)


def test_second_run_into_a_field_leaves_the_sample_to_the_first(dataset, sample, video, model):
    dataset.add_sample(prompted_sample(video, "gt"))
    others = []

    def start_another(event) -> None:
        if event.iteration == 0 and is_step(event, 5):
            others.append(propagate(dataset, model, **FIELDS))

    report = propagate(dataset, model, **FIELDS, batch_size=2, progress=start_another)
    (other,) = others
    assert str(other) == "1 tracked, 1 left to another run"
    assert "works on sample" in other.problems[next(iter(other.claimed))]
    assert str(report) == "1 tracked, 1 finished before"
    sample.reload()
    assert_right(found(sample), range(4, T + 1))
    assert dataset.values("pred_status") == ["complete"] * 2


def test_run_that_lost_its_claim_calls_nothing_complete(dataset, sample, model):
    def lose(event) -> None:
        if is_step(event, 5):
            change(owner="another")

    report = propagate(dataset, model, **FIELDS, batch_size=2, progress=lose)
    assert "another run has taken over" in next(iter(report.failed.values()))
    sample.reload()
    assert sample.pred_status == "started"
    assert 0 < len(found(sample)) < 9, "its masks are the other run's matter"
    foo.get_db_conn()["hs2s.claims"].delete_many({})
    with pytest.raises(HS2SError, match="taken over"):
        propagate(dataset, model, **FIELDS, progress=lose, skip_failures=False)


def test_killed_run_is_taken_over_at_once(dataset, sample, model, monkeypatch):
    dead = subprocess.Popen(["true"])
    dead.wait()

    def kill(event) -> None:
        if is_step(event, 5):
            change(**{"process.pid": dead.pid})
            raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Claim, "__exit__", lambda *_: None)  # a killed process releases nothing
        with pytest.raises(SystemExit):
            propagate(dataset, model, **FIELDS, batch_size=2, progress=kill)
    assert documents(dataset)
    sample.reload()
    assert sample.pred_status == "started"
    assert str(propagate(dataset, model, **FIELDS)) == "1 tracked"
    sample.reload()
    assert_right(found(sample), range(4, T + 1))
    assert not documents(dataset)

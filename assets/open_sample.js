// What FiftyOne's Python operators cannot do in an open sample: arrange its panels, tell and set its video's frame, and
// show new labels where it is annotated.
(function () {
  const { Operator, OperatorConfig, registerOperator, executeOperator, types } = window.__foo__;
  const { SpaceNode, useSpaces } = window.__fosp__;
  const { modalLooker, useModalMode, useModalModeController, view } = window.__fos__;
  const { useRecoilCallback } = window.recoil;
  const { FIFTYONE_MODAL_SPACES_ID } = window.__fos__.constants;
  const PLUGIN = "@hs2s/hs2s";
  const VIDEO = "fo-sample-modal-plugin";
  const PANEL = "hs2s_panel";
  const PLACED = "hs2s-panel-placed"; // once in a browser: FiftyOne keeps there how its user has arranged it since
  const PATIENCE = 20000; // milliseconds
  const OPENING = 120000; // in which a sample should have opened
  const SETTLED = 20000; // in which placing the panel beside the video may make its player anew, at frame 1
  const STARTING = 10000; // in which a new player goes back to frame 1, once its timeline is there
  const RULER = "#modal [data-testid=timeline-ruler]";

  let latest; // move to a frame

  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  function setFrameOfImages(frameNumber) {
    const opened = new URLSearchParams(window.location.search);
    const name = `set-frame-number-timeline-${opened.get("groupId") ?? opened.get("id")}`;
    dispatchEvent(new CustomEvent(name, { detail: { frameNumber } }));
  }

  function find(node, type) {
    return node.type === type ? node : node.children.map((child) => find(child, type)).find(Boolean);
  }

  async function until(condition) {
    const end = Date.now() + PATIENCE;
    for (let found; Date.now() < end; await new Promise((done) => setTimeout(done, 100))) {
      if ((found = condition())) return found;
    }
  }

  // The open video's player. FiftyOne hands it to what lies within the player alone, so it is looked up from there.
  function player() {
    const ruler = document.querySelector("#modal [data-testid=timeline-ruler]");
    const key = ruler && Object.keys(ruler).find((name) => name.startsWith("__reactFiber$"));
    const found = {};
    for (let fiber = key && ruler[key]; fiber; fiber = fiber.return) {
      const value = fiber.memoizedProps && fiber.memoizedProps.value;
      if (value && value.seek && value.stepInterval) found.controls = found.controls || value;
      if (value && value.get && value.set && value.sub) found.store = found.store || value;
    }
    return found.controls && found.store && found.controls.duration > 0 ? found : undefined;
  }

  // The number of the frame that the open video shows; undefined for other media.
  function shownFrame() {
    const found = player();
    return found && Math.floor(window.__fopb__.getPlayhead(found.store) / found.controls.stepInterval + 1e-6) + 1;
  }

  let asked = 0; // how often a frame was asked for: the last one counts

  async function showFrame(number) {
    const mine = ++asked;
    const found = await until(player);
    if (!found) return executeOperator("set_frame_number", { frame_number: number }); // of groups of images
    // A player that has just been opened goes to its start once all is loaded, and is sent again; a user's moves count.
    let sent = false;
    let end = Date.now() + STARTING;
    await until(() => {
      const at = shownFrame();
      if (mine !== asked || Date.now() > end || (sent && at > 1 && at !== number)) return true;
      if (at && at !== number) {
        player().controls.seek((number - 1) * player().controls.stepInterval);
        end = Date.now() + STARTING;
      }
      sent = sent || at === number;
    });
  }

  // The object whose label is open in Annotate, as the sidebar says.
  function edited() {
    const sidebar = document.querySelector("#modal [data-cy=sidebar]");
    if (!sidebar || !sidebar.querySelector("[data-cy=annotate-edit-back]")) return {};
    const texts = [...sidebar.querySelectorAll("*")].filter((node) => !node.childElementCount).map((n) => n.textContent.trim());
    const field = sidebar.querySelector("[data-cy=annotate-field-select]");
    return {
      object: texts.find((text) => /^([0-9a-f]{24}|track-\d+)$/.test(text)),
      label_field: ((field && field.textContent.match(/frames\.[^\s\u200b]+/)) || [])[0],
    };
  }

  class BesideVideo extends Operator {
    get config() {
      return new OperatorConfig({ name: "beside_video", label: "HS2S: panel beside the video", unlisted: true });
    }

    useHooks() {
      return { spaces: useSpaces(FIFTYONE_MODAL_SPACES_ID).spaces };
    }

    async execute({ hooks: { spaces } }) {
      const video = find(spaces.root, VIDEO);
      if (!video || localStorage.getItem(PLACED)) return;
      let panel = find(spaces.root, PANEL);
      if (!panel) {
        panel = new SpaceNode();
        panel.type = PANEL;
        spaces.addNodeAfter(video.parent, panel);
      }
      if (panel.parent === video.parent) {
        const tabs = video.parent;
        tabs.activeChild = video.id;
        spaces.splitLayout(tabs, "horizontal", panel);
        spaces.setNodeSizes(tabs, [0.62, 0.38]);
      }
      localStorage.setItem(PLACED, "true");
    }
  }

  class PropagateThis extends Operator {
    get config() {
      const icons = { lightIcon: "/assets/icon-light.svg", darkIcon: "/assets/icon-dark.svg" };
      return new OperatorConfig({ name: "propagate_this", label: "HS2S: propagate this object", ...icons });
    }

    async resolvePlacement() {
      const button = new types.Button({ label: "Propagate this object", icon: "/assets/propagate_object.svg" });
      return new types.Placement(types.Places.SAMPLES_VIEWER_ACTIONS, button);
    }

    async execute() {
      const known = Object.entries({ frame_number: shownFrame(), ...edited() }).filter(([, value]) => value);
      const form = { operator_uri: `${PLUGIN}/propagate_object`, params: Object.fromEntries(known) };
      executeOperator("prompt_user_for_operation", form);
    }
  }

  class ShowFrame extends Operator {
    get config() {
      return new OperatorConfig({ name: "show_frame", label: "HS2S: show a frame of the open sample", unlisted: true });
    }

    async execute({ params }) {
      await showFrame(params.frame_number);
    }
  }

  // Annotate keeps the labels that it has read until one leaves it; Explore looks again when the dataset is reloaded.
  class ReloadLabels extends Operator {
    get config() {
      return new OperatorConfig({ name: "reload_labels", label: "HS2S: show new labels", unlisted: true });
    }

    useHooks() {
      return { mode: useModalMode(), modes: useModalModeController() };
    }

    async execute({ hooks: { mode, modes } }) {
      if (mode !== "annotate") return;
      const number = shownFrame() || 1;
      const before = asked;
      modes.activateExploreMode();
      await until(() => document.querySelector("#modal [data-cy=explore]") && !document.querySelector("#modal [data-cy=annotation-save-state]"));
      modes.activateAnnotateMode();
      if (asked === before) await showFrame(number);
    }
  }

  // Moves the open sample to a frame, as soon as it has loaded. FiftyOne's own set_frame_number does so for groups of
  // images; a video's player follows no timeline, but takes a frame.
  class GoToFrame extends Operator {
    get config() {
      return new OperatorConfig({ name: "go_to_frame", label: "HS2S: go to a frame", unlisted: true });
    }

    useHooks() {
      const get = (state) => ({ snapshot }) => () => snapshot.getLoadable(state).valueMaybe();
      return { getLooker: useRecoilCallback(get(modalLooker), []), getView: useRecoilCallback(get(view), []) };
    }

    async execute({ hooks: { getLooker, getView }, params: { sample_id, frame_number, open } }) {
      const moved = (latest = {}); // a later move takes over
      let end = Date.now() + OPENING;
      if (open) {
        while (!JSON.stringify(getView() ?? []).includes(sample_id) && Date.now() < end) await wait(200);
        await wait(1000); // until the page has it, too
        executeOperator("@voxel51/operators/open_sample", { id: sample_id });
      }
      for (let opened, done, since; moved === latest && Date.now() < end; await wait(200)) {
        const looker = getLooker();
        if (!looker?.state?.loaded) continue;
        if (!looker.seekToFrame) return setFrameOfImages(frame_number);
        if (!looker.state.duration || looker.state.config.sampleId !== sample_id) continue;
        opened ??= Date.now();
        if (!document.querySelector(RULER) && Date.now() - opened < STARTING) continue;
        const isNew = looker !== done;
        const fellBack = looker.frameNumber === 1 && Date.now() - since < STARTING;
        if (!isNew && !fellBack) continue;
        looker.pause();
        looker.seekToFrame(frame_number);
        if (isNew) [done, since] = [looker, Date.now()];
        end = Math.min(end, since + SETTLED);
      }
    }
  }

  [BesideVideo, PropagateThis, ShowFrame, ReloadLabels, GoToFrame].forEach((operator) => registerOperator(operator, PLUGIN));
})();

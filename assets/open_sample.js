// What FiftyOne's Python operators cannot do: show what was written where it belongs, in the sidebar too; in an open sample
// arrange its panels, tell and set its video's frame, and show new labels where it is annotated.
(function () {
  const { Operator, OperatorConfig, registerOperator, executeOperator, types } = window.__foo__;
  const { SpaceNode, useSpaces } = window.__fosp__;
  const { dynamicGroupCurrentElementIndex, modalLooker, modalSelector, shouldRenderImaVidLooker } = window.__fos__;
  const { sidebarGroupsDefinition, useModalMode, useModalModeController, view } = window.__fos__;
  const { useRecoilCallback } = window.recoil;
  const { FIFTYONE_MODAL_SPACES_ID } = window.__fos__.constants;
  const PLUGIN = "@hs2s/hs2s";
  const VIDEO = "fo-sample-modal-plugin";
  const PANEL = "hs2s_panel";
  const PLACED = "hs2s-panel-placed"; // once in a browser: FiftyOne keeps there how its user has arranged it since
  const PATIENCE = 120000; // milliseconds in which a sample should have opened, and its player have come to rest
  const WITHIN = 0.01; // of a frame's time, as FiftyOne has it: where a frame begins may be rounded to the one before
  const ACTS = ["pointerdown", "keydown"];
  const RULER = "#modal [data-testid=timeline-ruler]";

  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  function find(node, type) {
    return node.type === type ? node : node.children.map((child) => find(child, type)).find(Boolean);
  }

  async function until(condition, patience = PATIENCE) {
    const end = Date.now() + patience;
    for (let found; Date.now() < end; await wait(100)) {
      if ((found = condition())) return found;
    }
  }

  // The open video's player. FiftyOne hands it to what lies within the player alone, so it is looked up from there.
  function player() {
    const ruler = document.querySelector(RULER);
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

  const annotates = () => document.querySelector("#modal [data-cy=annotation-save-state]");

  let follower;

  // Moves the line in our panel to where Annotate's player is, which tells no panel; that of Explore does.
  function follow(panel_id) {
    clearInterval(follower);
    follower = setInterval(() => {
      const plot = document.querySelector(`#modal [data-cy=panel-content-${PANEL}] .js-plotly-plot`);
      const [line] = (plot && plot.data) || [];
      const at = annotates() && shownFrame();
      if (!at || !line || line.name !== "playhead" || line.x[0] === at) return;
      executeOperator("patch_panel_data", { panel_id, data: { "curves[0].x": [at, at] } });
    }, 300);
  }

  let latest; // move to a frame that is under way: the last one counts

  // Moves the open sample to a frame, as soon as it is there, and again where a new player goes back to its start; not
  // once its user does something. Groups of images are shown as a video, which takes a frame from FiftyOne's own operator,
  // or page by page.
  async function goTo(number, { isOpen = () => true, hasImages = () => false, showImage = () => {} } = {}) {
    const move = (latest = {});
    const stop = (event) => (move.stopped ||= event.isTrusted && !switchesMode(event));
    const found = await until(() => move !== latest || hasImages() || (isOpen() && player()));
    if (move !== latest) return;
    if (found && !player()) {
      showImage();
      executeOperator("set_frame_number", { frame_number: number });
    }
    if (found && player()) {
      player().controls.pause();
      ACTS.forEach((kind) => addEventListener(kind, stop, { capture: true }));
      for (stay(); move === latest && !move.stopped && Date.now() < move.end; await wait(100)) {
        const at = shownFrame();
        if (at && at !== number) player().controls.seek((number - 1 + WITHIN) * player().controls.stepInterval);
      }
      ACTS.forEach((kind) => removeEventListener(kind, stop, { capture: true }));
    }
    if (move === latest) latest = undefined;
  }

  // Stays at the frame, or at that of the move under way, though Explore and Annotate have a player each.
  function stay() {
    if (latest) latest.end = Date.now() + PATIENCE;
    else if (shownFrame()) goTo(shownFrame());
  }

  const switchesMode = (event) => event.target.closest?.("#modal [data-cy=explore], #modal [data-cy=annotate]");
  addEventListener("pointerdown", (event) => switchesMode(event) && stay(), { capture: true });

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

    async execute({ hooks: { spaces }, params: { panel_id } }) {
      if (panel_id) follow(panel_id);
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

  // The App keeps the sidebar's groups that it has read, and would put new fields among all others. Annotate keeps the labels
  // that it has read until one leaves it; Explore looks again when the dataset is reloaded.
  class Reload extends Operator {
    get config() {
      return new OperatorConfig({ name: "reload", label: "HS2S: show what was written", unlisted: true });
    }

    useHooks() {
      return { mode: useModalMode(), modes: useModalModeController() };
    }

    async execute({ hooks: { mode, modes }, params: { groups }, state }) {
      stay();
      if (groups) [true, false].forEach((inModal) => state.set(sidebarGroupsDefinition(inModal), groups));
      await executeOperator("reload_dataset");
      if (mode !== "annotate" || !document.querySelector("#modal.modalon")) return;
      modes.activateExploreMode();
      await until(() => document.querySelector("#modal [data-cy=explore]") && !annotates(), 20000);
      modes.activateAnnotateMode();
    }
  }

  class GoToFrame extends Operator {
    get config() {
      return new OperatorConfig({ name: "go_to_frame", label: "HS2S: go to a frame", unlisted: true });
    }

    useHooks() {
      const get = (state) => ({ snapshot }) => () => snapshot.getLoadable(state).valueMaybe();
      const turn = ({ set, snapshot }) => (number, id) => {
        if (snapshot.getLoadable(shouldRenderImaVidLooker(true)).valueMaybe()) return;
        set(dynamicGroupCurrentElementIndex, number);
        set(modalSelector, (now) => ({ ...now, id }));
      };
      return {
        getLooker: useRecoilCallback(get(modalLooker), []),
        getView: useRecoilCallback(get(view), []),
        turnTo: useRecoilCallback(turn, []),
      };
    }

    async execute({ hooks: { getLooker, getView, turnTo }, params: { sample_id, frame_number, image_id, open } }) {
      if (open) {
        await until(() => JSON.stringify(getView() ?? []).includes(sample_id));
        await wait(1000); // until the page has it, too
        executeOperator("@voxel51/operators/open_sample", { id: sample_id });
      }
      const isOpen = () => new URLSearchParams(window.location.search).get("id") === sample_id;
      goTo(frame_number, {
        isOpen,
        showImage: () => image_id && turnTo(frame_number, image_id),
        hasImages: () => isOpen() && getLooker()?.state?.loaded && !getLooker().seekToFrame,
      });
    }
  }

  [BesideVideo, PropagateThis, Reload, GoToFrame].forEach((operator) => registerOperator(operator, PLUGIN));
})();

// Puts the panel HS2S of an open sample beside its video. FiftyOne shows it in a tab that covers the video, and its
// Python operators can open panels there, but not move them.
(function () {
  const { Operator, OperatorConfig, registerOperator } = window.__foo__;
  const { SpaceNode, useSpaces } = window.__fosp__;
  const { FIFTYONE_MODAL_SPACES_ID } = window.__fos__.constants;
  const VIDEO = "fo-sample-modal-plugin";
  const PANEL = "hs2s_panel";
  const PLACED = "hs2s-panel-placed"; // once in a browser: FiftyOne keeps there how its user has arranged it since

  function find(node, type) {
    return node.type === type ? node : node.children.map((child) => find(child, type)).find(Boolean);
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

  registerOperator(BesideVideo, "@hs2s/hs2s");
})();

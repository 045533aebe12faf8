"""Rendered training videos with exact masks: ``python -m fiftyone_hs2s.training.synthetic --out FOLDER
--clips N``.

PyBullet moves the objects and draws them (its TinyRenderer needs no GPU). The ground with its shadows, the
photograph behind, cut-out figures and the camera's faults are added with OpenCV. All chance comes from one
seed.

    clips.py     a clip from its seed; folders of clips     scenes.py    what happens: one function a kind
    objects.py   what is shown, what is held out            stage.py     the actors of a clip
    textures.py  patterns and colors                        world.py     bodies and their motion: PyBullet
    pictures.py  photographs, figures cut out of them       camera.py    from where it is seen
    render.py    one frame and its label map                backdrop.py  the photograph and the ground
"""

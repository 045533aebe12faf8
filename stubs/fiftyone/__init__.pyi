"""What fiftyone-hs2s uses of FiftyOne, which has no types of its own; ``tests/test_stubs.py`` compares."""

from fiftyone.core.config import AppConfig, FiftyOneConfig
from fiftyone.core.dataset import Dataset as Dataset
from fiftyone.core.dataset import dataset_exists as dataset_exists
from fiftyone.core.dataset import list_datasets as list_datasets
from fiftyone.core.dataset import load_dataset as load_dataset
from fiftyone.core.expressions import ViewField as ViewField
from fiftyone.core.fields import BooleanField as BooleanField
from fiftyone.core.fields import EmbeddedDocumentField as EmbeddedDocumentField
from fiftyone.core.fields import Field as Field
from fiftyone.core.fields import FloatField as FloatField
from fiftyone.core.fields import IntField as IntField
from fiftyone.core.fields import StringField as StringField
from fiftyone.core.frame import Frame as Frame
from fiftyone.core.labels import Classification as Classification
from fiftyone.core.labels import Classifications as Classifications
from fiftyone.core.labels import Detection as Detection
from fiftyone.core.labels import Detections as Detections
from fiftyone.core.labels import Heatmap as Heatmap
from fiftyone.core.labels import Instance as Instance
from fiftyone.core.labels import Keypoint as Keypoint
from fiftyone.core.labels import Keypoints as Keypoints
from fiftyone.core.labels import Label as Label
from fiftyone.core.labels import Polyline as Polyline
from fiftyone.core.labels import Polylines as Polylines
from fiftyone.core.labels import Segmentation as Segmentation
from fiftyone.core.labels import TemporalDetection as TemporalDetection
from fiftyone.core.labels import TemporalDetections as TemporalDetections
from fiftyone.core.odm import ColorScheme as ColorScheme
from fiftyone.core.odm import DatasetAppConfig as DatasetAppConfig
from fiftyone.core.odm import Panel as Panel
from fiftyone.core.odm import SidebarGroupDocument as SidebarGroupDocument
from fiftyone.core.odm import Space as Space
from fiftyone.core.sample import Sample as Sample
from fiftyone.core.session import launch_app as launch_app
from fiftyone.core.stages import GroupBy as GroupBy
from fiftyone.core.utils import report_progress as report_progress
from fiftyone.core.view import DatasetView as DatasetView

__version__: str
config: FiftyOneConfig
app_config: AppConfig

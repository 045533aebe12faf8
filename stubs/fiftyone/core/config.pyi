class FiftyOneConfig:
    plugins_dir: str
    default_dataset_dir: str
    default_app_address: str
    show_progress_bars: bool
    allow_legacy_orchestrators: bool

class AppConfig:
    color_by: str
    color_pool: list[str]

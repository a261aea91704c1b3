"""One finished miniature for all tests that need one. They leave it as it is, and work on a copy if they must."""

from pathlib import Path

import pytest

from tests.demo.miniature import run_demo


@pytest.fixture(scope="session")
def finished_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("miniature") / "demo"
    run_demo(folder)
    return folder

"""One local AWS with both stacks deployed, for all stories."""

from collections.abc import Iterator

import pytest

from tests.local_aws.deployment import up
from tests.story.story import Story


@pytest.fixture(scope="package")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with up(tmp_path_factory.mktemp("local-aws")) as aws:
        yield Story(aws)

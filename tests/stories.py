"""The demo's AWS for tests: in this process, so that they may change its story."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from exporter.demo.aws import answering
from exporter.demo.command import variables
from exporter.demo.story import Story
from tests.loops import Loop


def begin() -> Story:
    """Return the story as it is when the demo starts now."""
    return Story(time.time())


@contextmanager
def told(story: Story) -> Iterator[Mapping[str, str]]:
    """Yield the variables of an exporter that reads a story, which does not go on by itself."""
    with closing(Loop()) as loop:
        aws = answering(story)
        url = loop.do(aws.__aenter__)
        try:
            yield variables(url)
        finally:
            loop.do(lambda: aws.__aexit__(None, None, None))

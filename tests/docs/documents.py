"""The documents that people read: their code blocks, their commands, their links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CHART = ROOT / "helm" / "macie-invitations-exporter"
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    CHART / "README.md",
    ROOT / "examples" / "README.md",
    *sorted(DOCS.rglob("*.md")),
)
REPOSITORY = "https://github.com/macie-invitations-exporter/macie-invitations-exporter"
_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: where it begins, as file:line, its language and its text."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def name(self) -> str:
        """The file that it is said to be, in a comment on its first line."""
        found = re.match(r"# ([\w.-]+\.ya?ml)\n", self.text)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a reader is to type, with its words."""

    block: Block
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.block}: {' '.join(self.words)}"


def blocks(*languages: str) -> list[Block]:
    """Return the code blocks of some languages, or of all, in all documents."""
    return [
        Block(document, text.count("\n", 0, found.start()) + 1, found["language"], found["text"])
        for document in DOCUMENTS
        for text in [document.read_text()]
        for found in _BLOCK.finditer(text)
        if not languages or found["language"] in languages
    ]


def commands() -> list[Command]:
    """Return the commands of all blocks that show a console, or a shell's lines; these once each.

    What follows a pipe is one as well, and so is a call of AWS in a sentence.
    """
    found = [
        Command(block, words)
        for block in blocks("console", "sh")
        for line in _lines(block)
        for words in _piped(line)
    ]
    found += [
        Command(Block(document, 0, "sh", text), tuple(shlex.split(text)))
        for document in DOCUMENTS
        for text in re.findall(r"`(aws [^`]*)`", prose(document))
    ]
    # Runbooks show no files, so that the same words are the same command.
    return [*{(x.words if x.block.language == "sh" else x): x for x in found[::-1]}.values()][::-1]


def _lines(block: Block) -> list[str]:
    """Return the lines to type, those that go on put together: after a backslash, or a pipe."""
    mark = r"\$ " if block.language == "console" else ""
    lines = re.findall(rf"^{mark}((?:.*[\\|]\n)*.+)$", block.text, re.MULTILINE)
    return [line.replace("\\\n", " ").replace("|\n", "| ") for line in lines]


def _piped(line: str) -> Iterator[tuple[str, ...]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, "|"]:
        if word == "|":
            yield tuple(words[: words.index(">")] if ">" in words else words)
            words = []
        else:
            words.append(word)


def prose(document: Path) -> str:
    """Return a document without its code blocks."""
    return _BLOCK.sub("", document.read_text())


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {text.strip().replace(" ", "-") for text in plain}

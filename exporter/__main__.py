"""The process's first lines, for `python -m exporter` and the console command alike."""

import signal


def main() -> None:
    """Run, with SIGHUP held back from the first moment on.

    Importing what the commands need takes half a second, in which a reload would end the process.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from exporter.cli import run  # noqa: PLC0415 -- as said above

    run()


if __name__ == "__main__":
    main()

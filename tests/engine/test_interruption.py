import signal
import subprocess
import sys
import textwrap

import pytest

from clipbug.engine import interruption
from clipbug.engine.interruption import StopSignals


def _send(number: signal.Signals) -> None:
    signal.raise_signal(number)  # not os.kill: another thread may get it, and the handler then runs later


def test_first_signal_is_noted_and_told(capfd: pytest.CaptureFixture[str]) -> None:
    with StopSignals() as signals:
        assert signals.received is None
        _send(signal.SIGINT)
        assert signals.received is signal.SIGINT
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "stopping after this step" in captured.err


def test_repeat_at_once_is_torchrun_passing_it_on() -> None:
    with StopSignals() as signals:
        _send(signal.SIGINT)
        _send(signal.SIGINT)
        assert signals.received is signal.SIGINT


def test_later_repeat_acts_at_once(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(interruption, "_SECONDS_UNTIL_REPEAT_COUNTS", -1.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with StopSignals():
        _send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            _send(signal.SIGINT)


def test_forked_worker_goes_on() -> None:
    """A loader's worker inherits the handlers; Ctrl-C reaches it too, and its batch is still needed."""
    program = """
        import os, signal, sys
        from clipbug.engine.interruption import StopSignals
        with StopSignals() as signals:
            child = os.fork()
            os.kill(os.getpid(), signal.SIGINT)
            if child == 0:
                os._exit(7 if signals.received is None else 1)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print(status, signals.received.name)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert result.stdout == "7 SIGINT\n"
    assert result.stderr.count("stopping") == 1

"""Job control beyond the common case: a run that began in the background, a run in a pipeline, quiet after Ctrl-C."""
import pytest

from test_lifecycle import Terminal


@pytest.fixture
def terminal():
    t = Terminal()
    yield t
    t.close()


def test_a_run_that_began_in_the_background_gets_the_terminal_by_fg(terminal):
    terminal.send("$S run -- sh -c 'read line; echo got=$line.' &\n")
    terminal.expect("$ ")
    terminal.send("sleep 0.5; jobs\n")
    terminal.expect("Stopped")
    terminal.send("fg\n")
    terminal.expect("run --")
    terminal.send("hello\n")
    terminal.expect("got=hello.")
    terminal.send("echo still ''here\n")
    terminal.expect("still here")


def test_a_run_in_a_pipeline_stops_and_goes_on(terminal):
    terminal.send("$S run -- sh -c 'echo be''gun; sleep 1; echo fini''shed' | cat\n")
    terminal.expect("begun")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.send("fg\n")
    terminal.expect("finished")


def test_ctrl_c_needs_no_explanation(terminal):
    terminal.send("$S run -- sh -c 'echo rea''dy; exec sleep 60'; echo status=$?.\n")
    terminal.expect("ready")
    terminal.send("\x03")
    assert "sandlock:" not in terminal.expect("status=130.")

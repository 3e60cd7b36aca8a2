"""A handler without SA_RESTART must not make a call fail with EINTR that never fails so without the sandbox."""
import subprocess

import pytest

import box

UNTRAPPED = {"open": 30000, "stat": 40000, "lseek": 100000, "getppid": 100000, "setpgid": 60000, "uname": 100000,
             "sendto": 30000, "mkdir": 3000}
TRAPPED = {"fork": 1500, "chmod": 10000, "utimensat": 10000}


def measure(call, count, work, *flags, bare=False):
    command = [box.compiled("signals"), call, str(count), str(work)]
    done = (subprocess.run(command, capture_output=True, text=True, timeout=120) if bare else
            box.run("-w", work, "-P", "64", *flags, "--", *command, timeout=120))
    box.check(done)
    interrupted, made, signals, other = map(int, done.stdout.split())
    assert made == count
    return interrupted, signals, other


@pytest.mark.parametrize("call", UNTRAPPED)
def test_an_untrapped_call_is_never_interrupted(call, work):
    interrupted, signals, other = measure(call, UNTRAPPED[call], work)
    assert signals > 20, "the timer did not run, so this would prove nothing"
    assert interrupted == 0 and other == 0


@pytest.mark.parametrize("call", TRAPPED)
def test_the_rate_of_a_trapped_call_is_measured_and_small(call, work, record_property):
    count = TRAPPED[call]
    assert measure(call, count, work, bare=True)[0] == 0
    interrupted, signals, other = measure(call, count, work)
    rate = interrupted / count
    record_property("rate", rate)
    print(f"{call}: {interrupted} of {count} interrupted ({100 * rate:.3f} %) under {signals} signals")
    assert other == 0
    assert rate < 0.05


def test_a_mode_is_changed_exactly_once_under_signals(work):
    """What was answered was done: no call that failed has had an effect, and none that succeeded has had none."""
    code = f"""
import os, signal
signal.signal(signal.SIGALRM, lambda *a: None)
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
path = {str(work / 'f')!r}
open(path, 'w').close()
before = os.stat(path).st_mode & 0o777
for i in range(2000):
    mode = 0o600 | (i & 0o77)
    try:
        os.chmod(path, mode)
    except InterruptedError:
        mode = before
    before = os.stat(path).st_mode & 0o777
    assert before == mode, i
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
"""
    box.check(box.python(code, "-w", work))

"""A signal is noted and not thrown; afterwards signals belong to whom they belonged to."""

import os
import signal
import threading

import pytest

from omniloom.training import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_handlers_come_back(number):
    before = signal.getsignal(number)
    with interruptible() as is_interrupted:
        assert not is_interrupted()
        os.kill(os.getpid(), number)
        assert is_interrupted()
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_ends_at_once():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_signals_stay_where_they_are():
    before, found = signal.getsignal(signal.SIGINT), []

    def work():
        with interruptible() as is_interrupted:
            found.append((is_interrupted(), signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, True)]

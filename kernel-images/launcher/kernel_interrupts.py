"""Makes an interrupt reach the user's code, whenever it arrives while a cell is under way.

ipykernel ignores SIGINT until its handler of the request begins, which is after the busy status: who interrupts
what is seen to be busy may hit nothing. And between there and the user's code a KeyboardInterrupt would hit
ipykernel itself.
"""
import signal

INTERRUPTED = compile("raise KeyboardInterrupt", "<interrupted before it began>", "exec")


class Interrupts:
    def __init__(self, shell):
        self._run_code = shell.run_code
        self._remembered = False
        self._begun = False
        shell.run_code = self._run

    def listen(self):
        return signal.signal(signal.SIGINT, self._arrived)

    def next_request(self):
        """What came for an earlier request, or for none, is forgotten."""
        self._remembered = self._begun = False

    def _arrived(self, number, frame):
        if self._begun:
            raise KeyboardInterrupt
        self._remembered = True

    async def _run(self, code_obj, result=None, *, async_=False):
        try:
            self._begun = True
            interrupted = self._remembered
        except KeyboardInterrupt:
            interrupted = True
        self._remembered = False
        if interrupted:
            return await self._run_code(INTERRUPTED, result)
        return await self._run_code(code_obj, result, async_=async_)

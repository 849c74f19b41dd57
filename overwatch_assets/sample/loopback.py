"""What the sample's servers have in common."""

import logging
import socketserver
import sys
import threading
from typing import Any, Self

logger = logging.getLogger(__name__)


class LoopbackServer(socketserver.ThreadingTCPServer):
    """A server on the loopback interface that serves while the `with` block runs.

    Args:
        handler: of a connection.
        port: where to listen; 0 lets the operating system choose.

    Raises OSError if the port is taken.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler: type[socketserver.BaseRequestHandler], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, unless the client hung up."""
        if isinstance(sys.exception(), ConnectionError):
            logger.debug("The client %s closed its connection.", client_address)
        else:
            super().handle_error(request, client_address)

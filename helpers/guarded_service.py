"""A model behind mutual TLS on this machine: `serve` starts the process, `ask` is a client.

The server takes TLS 1.3 with client certificates only, finds the identity in the verified
certificate, lets a `Gate` decide, and writes every decision to an `AuditLog` of its own. It listens
on 127.0.0.1, on a free port, and ends when the `with` block does or when its parent is gone: it
watches its standard input, which closes in both cases. Built in view in chapter 26; for teaching
only, a service on a network stands behind a maintained proxy that does the same.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.certificates import Identity

LIMIT = 10_000_000  # bytes of a request's body


class ServiceError(RuntimeError):
    """A service that did not start or did not stop; one sentence with its reason."""


@dataclass(frozen=True)
class Service:
    """A running server: its `port` on 127.0.0.1, process id, log file and the log's public key."""

    port: int
    pid: int
    log: Path
    log_key: bytes = field(repr=False)
    authority: Path


@contextlib.contextmanager
def serve(
    weights: Path | str,
    identity: Identity,
    authority: Path | str,
    roles: dict[str, str],
    budget: int,
    log: Path | str,
) -> Iterator[Service]:
    """A `Service` for the length of a `with` block, gone after it whatever happens inside.

    `weights` is a safetensors file as `helpers.model_extraction.network_outputs` wants it; the
    passphrase of `identity` travels through the process's input only; `authority` vouches for the
    clients; `roles` and `budget` (rows) are a `Gate`'s.
    """
    order = {
        "weights": str(weights),
        "certificate": str(identity.certificate),
        "key": str(identity.key),
        "passphrase": identity.passphrase,
        "authority": str(authority),
        "roles": roles,
        "budget": budget,
        "log": str(log),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.guarded_service"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        ready = process.stdout.readline()
        if not ready:
            said = (process.stderr.read().strip().splitlines() or ["no reason given"])[-1]
            raise ServiceError(f"The service did not start: {said}")
        told = json.loads(ready)
        key = bytes.fromhex(told["log_key"])
        yield Service(told["port"], process.pid, Path(log), key, Path(authority))
    finally:
        process.stdin.close()  # the signal to stop
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()


@dataclass(frozen=True)
class Answer:
    """HTTP status and decoded body; status 0 when no connection came about, with the reason."""

    status: int
    body: dict[str, Any]


def ask(
    service: Service,
    identity: Identity | None,
    path: str,
    rows: Sequence[Any] = (),
    *,
    trust: Path | None = None,
    headers: dict[str, str] | None = None,
    secure: bool = True,
) -> Answer:
    """The `Answer` of `service` to a POST of `rows` to `path` by `identity` (None: anonymous).

    `trust` is the certificate of the authority that must vouch for the server (default: the right
    one); `secure=False` tries without TLS. Never raises for a refusal by either side.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and address
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(trust or service.authority)
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key, identity.passphrase)
    address = "127.0.0.1", service.port
    connection = (
        http.client.HTTPSConnection(*address, context=context, timeout=20)
        if secure
        else http.client.HTTPConnection(*address, timeout=20)
    )
    try:
        body = json.dumps({"rows": [list(map(float, row)) for row in rows]})
        kind = {"Content-Type": "application/json"}
        connection.request("POST", path, body, kind | (headers or {}))
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
    except ssl.SSLCertVerificationError as error:
        return Answer(0, {"reason": f"The client refused the server: {error.verify_message}."})
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        return Answer(0, {"reason": f"No connection: {reason}."})
    finally:
        connection.close()


def _plain(error: Exception) -> str:
    """Why a handshake failed, without file names and line numbers of the TLS library."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The client's certificate is refused: {error.verify_message}."
    words = str(getattr(error, "reason", "") or type(error).__name__).replace("_", " ").lower()
    return f"The handshake failed: {words}."


def _server(order: dict[str, Any]):
    """The server object: one thread for each connection, which also makes the handshake."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    import numpy as np
    from safetensors.numpy import load_file

    from helpers.audit_log import AuditLog
    from helpers.model_extraction import network_outputs
    from helpers.model_gate import Gate, Refused

    weights, log = load_file(order["weights"]), AuditLog(order["log"])
    gate = Gate(order["roles"], order["budget"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(order["certificate"], order["key"], order["passphrase"])
    context.load_verify_locations(order["authority"])

    class Handler(BaseHTTPRequestHandler):
        timeout = 20

        def log_message(self, *_: Any) -> None:  # the audit log takes its place
            return

        def do_POST(self) -> None:
            subject = self.request.getpeercert()["subject"]
            who = next(value for part in subject for name, value in part if name == "commonName")
            action = self.path.strip("/")[:40]
            try:
                length = int(self.headers.get("Content-Length") or 0)
                if not 0 < length <= LIMIT:
                    raise Refused(413, f"The body has {length} bytes; 1 to {LIMIT} are taken.")
                rows = self._rows(self.rfile.read(length))
                gate.admit(who, action, len(rows) if action == "predict" else 0)
                log.append(who, action, "allowed", f"{len(rows)} rows" if len(rows) else "")
                self._send(200, self._result(action, rows))
            except Refused as refusal:
                log.append(who, action, "refused", str(refusal))
                self._send(refusal.status, {"reason": str(refusal)})

        def _rows(self, body: bytes) -> np.ndarray:
            width = len(weights["w0"])
            try:
                rows = np.asarray(json.loads(body)["rows"], dtype=np.float32).reshape(-1, width)
            except (ValueError, KeyError, TypeError) as error:
                raise Refused(400, f"Send rows of {width} numbers.") from error
            if not np.isfinite(rows).all():
                raise Refused(400, "A row holds a value that is no finite number.")
            return rows

        def _result(self, action: str, rows: np.ndarray) -> dict[str, Any]:
            if action == "predict":  # classes only: probabilities give the model away
                return {"classes": network_outputs(weights, rows).argmax(axis=1).tolist()}
            return {"done": action}

        def _send(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def finish_request(self, request: Any, client_address: Any) -> None:
            request.settimeout(20)
            try:
                secured = context.wrap_socket(request, server_side=True)
            except (ssl.SSLError, OSError) as error:
                log.append("unknown", "handshake", "refused", _plain(error))
                return
            with secured:
                super().finish_request(secured, client_address)

        def handle_error(self, *_: Any) -> None:
            log.append("unknown", "request", "failed", type(sys.exc_info()[1]).__name__)

    return Server(("127.0.0.1", 0), Handler), log


def _main() -> None:
    """Serves the one order on standard input until standard input closes."""
    server, log = _server(json.loads(sys.stdin.readline()))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    told = {"port": server.server_address[1], "log_key": log.public_key.hex()}
    print(json.dumps(told), flush=True)
    sys.stdin.read()  # returns when the parent closes it, or ends
    server.shutdown()
    thread.join()
    server.server_close()


if __name__ == "__main__":
    _main()

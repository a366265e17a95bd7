"""An OCSP responder on loopback: each question is answered by `openssl ocsp`, one process each.

usage: responder.py PORT openssl ocsp OPTION...
"""
import http.server
import pathlib
import subprocess
import sys
import tempfile


class Responder(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        question = self.rfile.read(int(self.headers["Content-Length"]))
        with tempfile.TemporaryDirectory() as folder:
            asked, answered = pathlib.Path(folder, "asked"), pathlib.Path(folder, "answered")
            asked.write_bytes(question)
            command = sys.argv[2:] + ["-reqin", asked, "-respout", answered]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            answer = answered.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Responder).serve_forever()

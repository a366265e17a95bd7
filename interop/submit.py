"""Hands one message in over SMTP with STARTTLS and a client certificate, and prints the reply.

usage: submit.py CONFIG.toml PKI-FOLDER PERSON MESSAGE RECIPIENT...

The server must show a certificate for the name in the configuration, under PKI-FOLDER/ca.pem.
PERSON's certificate and key are PKI-FOLDER/PERSON.pem and PERSON.key.pem. The message goes out
octet for octet: it must have CRLF line ends.
"""

import smtplib
import ssl
import sys
import tomllib


def main(config, pki, person, message, *recipients):
    with open(config, "rb") as file:
        config = tomllib.load(file)
    with open(message, "rb") as file:
        octets = file.read()
    name, domain = config["switch"]["name"], config["switch"]["domains"][0]
    listen = next(one for one in config["listen"] if one["role"] == "submission")
    host, port = listen["address"].rsplit(":", 1)
    context = ssl.create_default_context(cafile=f"{pki}/ca.pem")
    context.load_cert_chain(f"{pki}/{person}.pem", f"{pki}/{person}.key.pem")
    client = smtplib.SMTP(local_hostname="interop.example", timeout=30)
    code, text = client.connect(host, int(port))
    # smtplib checks the certificate against the name it connected to; ours is the configured one.
    client._host = name
    wide = [] if "".join(recipients).isascii() else ["SMTPUTF8"]
    steps = [
        lambda: client.ehlo(),
        lambda: client.starttls(context=context),
        lambda: client.ehlo(),
        lambda: client.mail(f"{person}@{domain}", ["BODY=8BITMIME", *wide]),
        *[lambda to=to: client.rcpt(to) for to in recipients],
        # Octets, not text: smtplib stuffs the dots and changes nothing else.
        lambda: client.data(octets),
    ]
    for step in steps:
        if code >= 400:
            break
        code, text = step()
    print(code, b" ".join(text.splitlines()).decode("utf-8", "replace"))
    client.close()


main(*sys.argv[1:])

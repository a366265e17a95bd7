// pkijs on the CMS objects that our commands make.
//
// usage: node check.mjs CA-DER; then on stdin, parted by tabs; answers "WHAT<TAB>ok" or "FAIL (why)":
//   signed WHAT CMS CONTENT-or-- SIGNERS     every signature and path good, that many signers
//   opens WHAT CMS CERTIFICATE-DER KEY-DER CONTENT   the envelope opens to CONTENT
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { webcrypto } from "node:crypto";

const require = createRequire(process.env.PKIJS + "/node_modules/");
const asn1js = require("asn1js");
const pkijs = require("pkijs");
pkijs.setEngine("node", new pkijs.CryptoEngine({ name: "node", crypto: webcrypto }));

const octets = (file) => Uint8Array.from(readFileSync(file)).buffer;
const certificate = (file) => pkijs.Certificate.fromBER(octets(file));
const authority = certificate(process.argv[2]);

function must(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

async function signed(cms, content, signers) {
  const info = pkijs.ContentInfo.fromBER(octets(cms));
  const data = new pkijs.SignedData({ schema: info.content });
  must(data.signerInfos.length === Number(signers), `${data.signerInfos.length} signers`);
  for (let signer = 0; signer < data.signerInfos.length; signer++) {
    const asked = { signer, trustedCerts: [authority], checkChain: true, extendedMode: true };
    if (content !== "-") asked.data = octets(content);
    const said = await data.verify(asked);
    must(said.signatureVerified && said.signerCertificateVerified !== false, said.message || "signature");
  }
}

async function opens(cms, holder, key, content) {
  const info = pkijs.ContentInfo.fromBER(octets(cms));
  const data = new pkijs.EnvelopedData({ schema: info.content });
  const recipientCertificate = certificate(holder);
  const serial = recipientCertificate.serialNumber.valueBlock.toString();
  const index = data.recipientInfos.findIndex(
    (one) => one.variant === 1 && one.value.rid.serialNumber?.valueBlock.toString() === serial,
  );
  const found = await data.decrypt(index < 0 ? 0 : index, {
    recipientCertificate,
    recipientPrivateKey: octets(key),
  });
  must(Buffer.from(found).equals(readFileSync(content)), "another content");
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, what, ...rest] = line.split("\t");
  let outcome = "ok";
  try {
    await (verb === "signed" ? signed(...rest) : opens(...rest));
  } catch (error) {
    outcome = `FAIL (${String(error.message || error).split("\n")[0]})`;
  }
  console.log(`${what}\t${outcome}`);
}

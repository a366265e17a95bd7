import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMultipart;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.ess.SigningCertificateV2;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateHolder;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSEnvelopedData;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.Recipient;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceKeyAgreeEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.mail.smime.SMIMESigned;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.util.Store;
import org.bouncycastle.util.io.pem.PemReader;

/**
 * Takes apart what our commands made; a line in, a line out: what, a tab, ok or FAIL and why.
 *
 * <p>usage: Files PKI-FOLDER; then on stdin, parted by tabs:
 *
 * <ul>
 *   <li>signed WHAT FILE SIGNERS COUNTERSIGNERS: common names with commas, - for none; every signer
 *       and countersigner verifies, has a certificate of the authority and names it (RFC 5035)
 *   <li>opens WHAT FILE KEY SIGNERS: the envelope opens; inside stands the letter, signed by these
 *   <li>triple WHAT FILE KEY OUTER INNER: three layers
 *   <li>labelled WHAT FILE: a label, a receipt request in the signature
 * </ul>
 */
final class Files {
    private final Lab lab;
    private final Path folder;

    private Files(String folder) {
        this.lab = new Lab(folder);
        this.folder = Path.of(folder);
    }

    public static void main(String[] arguments) throws Exception {
        Files files = new Files(arguments[0]);
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split("\t");
            String outcome;
            try {
                files.check(words);
                outcome = "ok";
            } catch (Exception error) {
                outcome = "FAIL (" + String.valueOf(error.getMessage()).split("\n")[0] + ")";
            }
            System.out.println(words[1] + "\t" + outcome);
        }
    }

    private void check(String[] words) throws Exception {
        MimeBodyPart part = Lab.part(Lab.read(words[2]));
        switch (words[0]) {
            case "signed" -> letter(signed(part, words[3], words[4]));
            case "opens" -> {
                MimeBodyPart inside = opened(part, words[3]);
                letter(words[4].equals("-") ? inside : signed(inside, words[4], "-"));
            }
            case "triple" -> {
                MimeBodyPart envelope = signed(part, words[4], "-");
                letter(signed(opened(envelope, words[3]), words[5], "-"));
            }
            case "labelled" -> {
                SignerInformation signer = read(part).getSignerInfos().iterator().next();
                must(signer.getSignedAttributes().get(Lab.LABEL) != null, "no label");
                must(
                        Arrays.equals(
                                value(signer, Lab.LABEL).toASN1Primitive().getEncoded(),
                                Lab.label(Lab.ALDER, 4, Lab.ALDER_RELEASABLE_TO, 1, 2)
                                        .getEncoded("DER")),
                        "another label");
                must(
                        signer.getSignedAttributes().get(PKCSObjectIdentifiers.id_aa_receiptRequest)
                                != null,
                        "no receipt request");
            }
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private static void must(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }

    private static void letter(MimeBodyPart part) throws Exception {
        must(
                new String(part.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                        .contains("convoy passes the northern strait"),
                "not the letter");
    }

    private static SMIMESigned read(MimeBodyPart part) throws Exception {
        return part.isMimeType("multipart/signed")
                ? new SMIMESigned((MimeMultipart) part.getContent())
                : new SMIMESigned(part);
    }

    /** What was signed; every signature good, and by these. */
    private MimeBodyPart signed(MimeBodyPart part, String signers, String countersigners)
            throws Exception {
        SMIMESigned signed = read(part);
        List<String> found = new ArrayList<>();
        List<String> above = new ArrayList<>();
        for (SignerInformation signer : signed.getSignerInfos()) {
            found.add(good(signer, signed));
            countersigned(signer, signed, above);
        }
        same(found, signers);
        same(above, countersigners);
        return signed.getContent();
    }

    private void countersigned(SignerInformation signer, CMSSignedData signed, List<String> above)
            throws Exception {
        for (SignerInformation one : signer.getCounterSignatures()) {
            must(one.getContentType() == null, "a countersignature with content-type");
            above.add(good(one, signed));
            countersigned(one, signed, above);
        }
    }

    private static void same(List<String> found, String wanted) {
        List<String> names =
                wanted.equals("-") ? new ArrayList<>() : new ArrayList<>(List.of(wanted.split(",")));
        Collections.sort(names);
        Collections.sort(found);
        must(found.equals(names), "by " + found);
    }

    /** The common name of a signer whose signature, path and signingCertificateV2 are good. */
    private String good(SignerInformation signer, CMSSignedData signed) throws Exception {
        Store<X509CertificateHolder> bag = signed.getCertificates();
        @SuppressWarnings("unchecked")
        Collection<X509CertificateHolder> matches = bag.getMatches(signer.getSID());
        must(!matches.isEmpty(), "no certificate came along");
        X509CertificateHolder certificate = matches.iterator().next();
        must(
                signer.verify(
                        new JcaSimpleSignerInfoVerifierBuilder()
                                .setProvider("BC")
                                .build(certificate)),
                "signature");
        must(
                certificate.isSignatureValid(
                        new JcaContentVerifierProviderBuilder()
                                .setProvider("BC")
                                .build(lab.certificate("ca"))),
                "certificate");
        var named =
                SigningCertificateV2.getInstance(
                                value(signer, PKCSObjectIdentifiers.id_aa_signingCertificateV2))
                        .getCerts()[0];
        byte[] digest =
                java.security.MessageDigest.getInstance(
                                named.getHashAlgorithm().getAlgorithm().getId(), "BC")
                        .digest(certificate.getEncoded());
        must(Arrays.equals(digest, named.getCertHash()), "signingCertificateV2");
        return certificate.getSubject().toString().replaceAll(".*CN=([^,]*).*", "$1");
    }

    private static org.bouncycastle.asn1.ASN1Encodable value(
            SignerInformation signer, org.bouncycastle.asn1.ASN1ObjectIdentifier kind) {
        Attribute attribute = signer.getSignedAttributes().get(kind);
        must(attribute != null && attribute.getAttrValues().size() == 1, "not once: " + kind);
        return attribute.getAttrValues().getObjectAt(0);
    }

    /** The envelope, opened by the recipient of this name; by nobody's entry when it is for others. */
    private MimeBodyPart opened(MimeBodyPart part, String name) throws Exception {
        byte[] octets = part.getInputStream().readAllBytes();
        boolean authenticated = part.getContentType().contains("authEnveloped");
        Collection<RecipientInformation> all =
                authenticated
                        ? new CMSAuthEnvelopedData(octets).getRecipientInfos().getRecipients()
                        : new CMSEnvelopedData(octets).getRecipientInfos().getRecipients();
        X509Certificate certificate = lab.certificate(name);
        PrivateKey key = key(name, certificate.getPublicKey().getAlgorithm());
        Recipient recipient =
                key.getAlgorithm().equals("RSA")
                        ? new JceKeyTransEnvelopedRecipient(key).setProvider("BC")
                        : new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC");
        X509CertificateHolder wanted = new JcaX509CertificateHolder(certificate);
        RecipientInformation chosen = null;
        for (RecipientInformation one : all) {
            if (one.getRID().match(wanted)) {
                chosen = one;
            }
        }
        // Another key, tried on the first entry all the same: it must not open.
        if (chosen == null) {
            chosen = all.iterator().next();
        }
        return new MimeBodyPart(new ByteArrayInputStream(chosen.getContent(recipient)));
    }

    private PrivateKey key(String name, String algorithm) throws Exception {
        try (PemReader in =
                new PemReader(
                        java.nio.file.Files.newBufferedReader(
                                folder.resolve(name + ".key.pem")))) {
            return KeyFactory.getInstance(algorithm, "BC")
                    .generatePrivate(new PKCS8EncodedKeySpec(in.readPemObject().getContent()));
        }
    }
}

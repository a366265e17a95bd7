import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.util.Base64;
import java.util.Date;
import java.util.List;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMultipart;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.ess.ESSCertIDv2;
import org.bouncycastle.asn1.ess.SigningCertificateV2;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSAuthEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.DefaultSignedAttributeTableGenerator;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationStore;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipientInfoGenerator;
import org.bouncycastle.mail.smime.SMIMEEnvelopedGenerator;
import org.bouncycastle.mail.smime.SMIMESignedGenerator;
import org.bouncycastle.operator.OutputAEADEncryptor;

/**
 * Makes the messages that interop/bouncycastle hands to the switch.
 *
 * <p>usage: Make ALDER-PKI OUT-FOLDER
 */
final class Make {
    private static final String DRAFTER = "drafter@alder.example";
    private static final String HOME = "reader@alder.example";
    private static final String ABROAD = "reader@birch.example";

    private final Lab alder;
    private final Path out;

    private Make(Lab alder, Path out) {
        this.alder = alder;
        this.out = out;
    }

    public static void main(String[] arguments) throws Exception {
        new Make(new Lab(arguments[0]), Path.of(arguments[1])).all();
    }

    private void all() throws Exception {
        DERSet secret = Lab.label(Lab.ALDER, 4, null);
        DERSet releasable = Lab.label(Lab.ALDER, 4, Lab.ALDER_RELEASABLE_TO, 1, 2);
        write("clear", HOME, clear("clear", "drafter", secret));
        write("category", HOME, clear("category", "drafter", releasable));
        write("opaque", HOME, opaque("opaque", secret));
        write("held", ABROAD, clear("held", "drafter", releasable));
        write("none", HOME, clear("none", "drafter", null));
        write(
                "value",
                HOME,
                clear("value", "drafter", Lab.label(Lab.ALDER, 4, Lab.ALDER_RELEASABLE_TO, 99)));
        write(
                "policy",
                HOME,
                clear("policy", "drafter", Lab.label("1.3.6.1.4.1.32473.9.9", 4, null)));
        write("released", ABROAD, countersigned("released", "officer", releasable));
        write("own", ABROAD, countersigned("own", "drafter", releasable));
        write("clerk", ABROAD, countersigned("clerk", "clerk", releasable));
        byte[] inside = clear("inside", "drafter", secret);
        write("cbc", HOME, enveloped(inside, "border-encrypt"));
        write("gcm", HOME, authenticated(inside, "border-encrypt"));
        write("elsewhere", HOME, authenticated(inside, "reader-encrypt"));
    }

    /** A whole message around a MIME entity. */
    private void write(String name, String to, byte[] entity) throws Exception {
        String head =
                "From: %s\r\nTo: %s\r\nSubject: interop\r\nDate: %s\r\nMessage-ID: <%s-%d@interop.example>\r\n"
                                .formatted(
                                        DRAFTER,
                                        to,
                                        new javax.mail.internet.MailDateFormat()
                                                .format(new Date()),
                                        name,
                                        System.nanoTime())
                        + "MIME-Version: 1.0\r\n";
        ByteArrayOutputStream message = new ByteArrayOutputStream();
        message.write(head.getBytes(StandardCharsets.US_ASCII));
        message.write(entity);
        Files.write(out.resolve(name + ".eml"), message.toByteArray());
    }

    private static byte[] text(String name) {
        return ("Content-Type: text/plain; charset=us-ascii\r\n\r\n"
                        + "Bouncy Castle wrote this: %s.\r\n.\r\nThe line above is a lone dot.\r\n"
                                .formatted(name))
                .getBytes(StandardCharsets.US_ASCII);
    }

    // The S/MIME part of Bouncy Castle (bcmail), with its own way to write MIME.

    private byte[] clear(String name, String signer, DERSet label) throws Exception {
        SMIMESignedGenerator generator = new SMIMESignedGenerator();
        generator.addSignerInfoGenerator(signer(signer, label));
        generator.addCertificates(new JcaCertStore(List.of(alder.certificate(signer))));
        MimeMultipart signed = generator.generate(Lab.part(text(name)));
        MimeBodyPart part = new MimeBodyPart();
        part.setContent(signed);
        part.setHeader("Content-Type", signed.getContentType());
        return octets(part);
    }

    private byte[] opaque(String name, DERSet label) throws Exception {
        SMIMESignedGenerator generator = new SMIMESignedGenerator();
        generator.addSignerInfoGenerator(signer("drafter", label));
        generator.addCertificates(new JcaCertStore(List.of(alder.certificate("drafter"))));
        return octets(generator.generateEncapsulated(Lab.part(text(name))));
    }

    private byte[] enveloped(byte[] inside, String recipient) throws Exception {
        SMIMEEnvelopedGenerator generator = new SMIMEEnvelopedGenerator();
        generator.addRecipientInfoGenerator(recipient(recipient));
        return octets(
                generator.generate(
                        Lab.part(inside),
                        new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_CBC)
                                .setProvider("BC")
                                .build()));
    }

    private static byte[] octets(MimeBodyPart part) throws Exception {
        ByteArrayOutputStream octets = new ByteArrayOutputStream();
        part.writeTo(octets);
        return octets.toByteArray();
    }

    // bcmail 1.72 knows neither countersignatures nor AuthEnvelopedData: bcpkix, and MIME by hand.

    private byte[] countersigned(String name, String officer, DERSet label) throws Exception {
        byte[] content = text(name);
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        generator.addSignerInfoGenerator(signer("drafter", label));
        generator.addCertificates(
                new JcaCertStore(
                        officer.equals("drafter")
                                ? List.of(alder.certificate("drafter"))
                                : List.of(
                                        alder.certificate("drafter"),
                                        alder.certificate(officer))));
        CMSSignedData signed = generator.generate(new CMSProcessableByteArray(content), false);
        SignerInformation drafter = signed.getSignerInfos().getSigners().iterator().next();
        CMSSignedDataGenerator counter = new CMSSignedDataGenerator();
        counter.addSignerInfoGenerator(signer(officer, null));
        drafter =
                SignerInformation.addCounterSigners(
                        drafter, counter.generateCounterSigners(drafter));
        signed = CMSSignedData.replaceSigners(signed, new SignerInformationStore(drafter));
        ByteArrayOutputStream entity = new ByteArrayOutputStream();
        entity.write(
                ("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n"
                                + " micalg=sha-384; boundary=\"=_bc\"\r\n\r\n--=_bc\r\n")
                        .getBytes(StandardCharsets.US_ASCII));
        entity.write(content);
        entity.write(
                ("\r\n--=_bc\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"
                                + "Content-Transfer-Encoding: base64\r\n\r\n")
                        .getBytes(StandardCharsets.US_ASCII));
        entity.write(Base64.getMimeEncoder().encode(signed.getEncoded()));
        entity.write("\r\n--=_bc--\r\n".getBytes(StandardCharsets.US_ASCII));
        return entity.toByteArray();
    }

    private byte[] authenticated(byte[] inside, String recipient) throws Exception {
        CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
        generator.addRecipientInfoGenerator(recipient(recipient));
        byte[] cms =
                generator
                        .generate(
                                new CMSProcessableByteArray(inside),
                                (OutputAEADEncryptor)
                                        new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_GCM)
                                                .setProvider("BC")
                                                .build())
                        .getEncoded();
        ByteArrayOutputStream entity = new ByteArrayOutputStream();
        entity.write(
                ("Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data;"
                                + " name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n")
                        .getBytes(StandardCharsets.US_ASCII));
        try (OutputStream base64 = Base64.getMimeEncoder().wrap(entity)) {
            base64.write(cms);
        }
        return (entity + "\r\n").getBytes(StandardCharsets.US_ASCII);
    }

    /** P-384 and SHA-384, with signingCertificateV2 and, where given, a label. */
    private SignerInfoGenerator signer(String name, DERSet label) throws Exception {
        X509Certificate certificate = alder.certificate(name);
        ASN1EncodableVector attributes = new ASN1EncodableVector();
        byte[] digest =
                java.security.MessageDigest.getInstance("SHA-384")
                        .digest(certificate.getEncoded());
        attributes.add(
                new Attribute(
                        PKCSObjectIdentifiers.id_aa_signingCertificateV2,
                        new DERSet(
                                new SigningCertificateV2(
                                        new ESSCertIDv2(
                                                new AlgorithmIdentifier(
                                                        NISTObjectIdentifiers.id_sha384),
                                                digest)))));
        if (label != null) {
            attributes.add(new Attribute(Lab.LABEL, new DERSet(label)));
        }
        return new JcaSimpleSignerInfoGeneratorBuilder()
                .setProvider("BC")
                .setSignedAttributeGenerator(
                        new DefaultSignedAttributeTableGenerator(new AttributeTable(attributes)))
                .build("SHA384withECDSA", alder.key(name), certificate);
    }

    private JceKeyAgreeRecipientInfoGenerator recipient(String name) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", "BC");
        generator.initialize(new ECGenParameterSpec("P-384"));
        KeyPair ephemeral = generator.generateKeyPair();
        return new JceKeyAgreeRecipientInfoGenerator(
                        CMSAlgorithm.ECDH_SHA384KDF,
                        ephemeral.getPrivate(),
                        ephemeral.getPublic(),
                        CMSAlgorithm.AES256_WRAP)
                .addRecipient(alder.certificate(name))
                .setProvider("BC");
    }
}

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.DERGeneralizedTime;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.DERTaggedObject;
import org.bouncycastle.asn1.DERUTF8String;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.cms.IssuerAndSerialNumber;
import org.bouncycastle.asn1.cms.KEKIdentifier;
import org.bouncycastle.asn1.ess.ContentHints;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateHolder;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSAuthEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSCompressedDataGenerator;
import org.bouncycastle.cms.CMSEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.DefaultSignedAttributeTableGenerator;
import org.bouncycastle.cms.PasswordRecipient;
import org.bouncycastle.cms.RecipientInfoGenerator;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationStore;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKEKRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JcePasswordRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.ZlibCompressor;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;

/**
 * Makes CMS objects in the forms that Bouncy Castle has, for `ravelin inspect` and `ravelin open`.
 *
 * <p>usage: MakeFiles PKI-FOLDER CONTENT OUT-FOLDER
 */
final class MakeFiles {
    private final Lab lab;
    private final Path folder;
    private final byte[] content;
    private final Path out;

    private MakeFiles(String[] arguments) throws Exception {
        lab = new Lab(arguments[0]);
        folder = Path.of(arguments[0]);
        content = Files.readAllBytes(Path.of(arguments[1]));
        out = Path.of(arguments[2]);
    }

    public static void main(String[] arguments) throws Exception {
        new MakeFiles(arguments).all();
    }

    private void all() throws Exception {
        CMSSignedData plain = signed(List.of(signer("alice", "SHA384withECDSA", null)));
        write("plain", plain.getEncoded());
        write("pss", signed(List.of(signer("dave", "SHA384withRSAandMGF1", null))).getEncoded());
        write(
                "two",
                signed(
                                List.of(
                                        signer("alice", "SHA384withECDSA", null),
                                        signer("dave", "SHA384withRSAandMGF1", null)))
                        .getEncoded());
        write(
                "attributes",
                signed(List.of(signer("alice", "SHA384withECDSA", attributes()))).getEncoded());
        CMSSignedData once = countersigned(plain, "mla");
        write("countersigned", once.getEncoded());
        write("countersigned-by-two", countersigned(once, "dave").getEncoded());
        write("countersigned-deep", deep(plain, "mla", "dave").getEncoded());
        for (int bits : new int[] {128, 192, 256}) {
            write("cbc-" + bits, enveloped(bits, agreement("bob", "eve")));
            write("gcm-" + bits, authenticated(bits, agreement("bob", "eve")));
        }
        write("one-each", enveloped(256, agreement("bob"), agreement("eve")));
        write("oaep", enveloped(256, transport("carol", "SHA-384")));
        write("oaep-gcm", authenticated(256, transport("carol", "SHA-256")));
        write("mixed", authenticated(256, agreement("bob"), transport("carol", "SHA-384")));
        SecretKeySpec key = new SecretKeySpec(new byte[32], "AES");
        write(
                "kek",
                enveloped(
                        256,
                        new JceKEKRecipientInfoGenerator(
                                        new KEKIdentifier(new byte[] {1, 2}, null, null), key)
                                .setProvider("BC")));
        write(
                "password",
                enveloped(
                        256,
                        new JcePasswordRecipientInfoGenerator(
                                        CMSAlgorithm.AES256_CBC, "interop".toCharArray())
                                .setProvider("BC")
                                .setPasswordConversionScheme(PasswordRecipient.PKCS5_SCHEME2_UTF8)
                                .setSaltAndIterationCount(new byte[16], 10000)));
        write(
                "compressed",
                new CMSCompressedDataGenerator()
                        .generate(new CMSProcessableByteArray(content), new ZlibCompressor())
                        .getEncoded());
        // A triple wrap of bare MIME entities.
        byte[] inner = entity("signed-data", plain.getEncoded());
        byte[] middle =
                entity("authEnveloped-data", authenticatedOf(inner, 256, agreement("bob", "eve")));
        write(
                "triple",
                signedOf(middle, List.of(signer("mla", "SHA384withECDSA", null))).getEncoded());
    }

    private void write(String name, byte[] cms) throws Exception {
        Files.write(out.resolve(name + ".cms"), cms);
    }

    private static byte[] entity(String kind, byte[] cms) {
        return ("Content-Type: application/pkcs7-mime; smime-type=%s; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n"
                        .formatted(kind, java.util.Base64.getMimeEncoder().encodeToString(cms)))
                .getBytes(StandardCharsets.US_ASCII);
    }

    private PrivateKey key(String name, X509Certificate certificate) throws Exception {
        try (org.bouncycastle.util.io.pem.PemReader in =
                new org.bouncycastle.util.io.pem.PemReader(
                        Files.newBufferedReader(folder.resolve(name + ".key.pem")))) {
            return KeyFactory.getInstance(certificate.getPublicKey().getAlgorithm(), "BC")
                    .generatePrivate(new PKCS8EncodedKeySpec(in.readPemObject().getContent()));
        }
    }

    private SignerInfoGenerator signer(String name, String algorithm, AttributeTable attributes)
            throws Exception {
        X509Certificate certificate = lab.certificate(name);
        JcaSimpleSignerInfoGeneratorBuilder builder =
                new JcaSimpleSignerInfoGeneratorBuilder().setProvider("BC");
        if (attributes != null) {
            builder.setSignedAttributeGenerator(
                    new DefaultSignedAttributeTableGenerator(attributes));
        }
        return builder.build(algorithm, key(name, certificate), certificate);
    }

    private CMSSignedData signed(List<SignerInfoGenerator> signers) throws Exception {
        return signedOf(content, signers);
    }

    private CMSSignedData signedOf(byte[] content, List<SignerInfoGenerator> signers)
            throws Exception {
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        List<X509Certificate> certificates = new ArrayList<>();
        for (String name : new String[] {"alice", "dave", "mla"}) {
            certificates.add(lab.certificate(name));
        }
        for (SignerInfoGenerator signer : signers) {
            generator.addSignerInfoGenerator(signer);
        }
        generator.addCertificates(new JcaCertStore(certificates));
        return generator.generate(new CMSProcessableByteArray(content), true);
    }

    private static SignerInformation only(CMSSignedData signed) {
        return signed.getSignerInfos().getSigners().iterator().next();
    }

    private SignerInformation above(SignerInformation signer, String name) throws Exception {
        CMSSignedDataGenerator counter = new CMSSignedDataGenerator();
        String algorithm = name.equals("dave") ? "SHA384withRSAandMGF1" : "SHA384withECDSA";
        counter.addSignerInfoGenerator(signer(name, algorithm, null));
        return counter.generateCounterSigners(signer).getSigners().iterator().next();
    }

    private CMSSignedData countersigned(CMSSignedData signed, String name) throws Exception {
        SignerInformation signer = only(signed);
        signer =
                SignerInformation.addCounterSigners(
                        signer, new SignerInformationStore(above(signer, name)));
        return CMSSignedData.replaceSigners(signed, new SignerInformationStore(signer));
    }

    /** A countersignature upon a countersignature. */
    private CMSSignedData deep(CMSSignedData signed, String first, String second) throws Exception {
        SignerInformation signer = only(signed);
        SignerInformation one = above(signer, first);
        one =
                SignerInformation.addCounterSigners(
                        one, new SignerInformationStore(above(one, second)));
        signer = SignerInformation.addCounterSigners(signer, new SignerInformationStore(one));
        return CMSSignedData.replaceSigners(signed, new SignerInformationStore(signer));
    }

    /** The attributes of RFC 2634. */
    private AttributeTable attributes() throws Exception {
        ASN1EncodableVector all = new ASN1EncodableVector();
        DERSet label = Lab.label(Lab.ALDER, 4, Lab.ALDER_RELEASABLE_TO, 1, 2);
        add(all, "2", label);
        GeneralNames to =
                new GeneralNames(new GeneralName(GeneralName.rfc822Name, "alice@alder.example"));
        ASN1EncodableVector request = new ASN1EncodableVector();
        request.add(new DEROctetString("interop-1".getBytes(StandardCharsets.US_ASCII)));
        request.add(new DERTaggedObject(false, 0, new ASN1Integer(0)));
        request.add(new DERSequence(to));
        add(all, "1", new DERSequence(request));
        add(all, "7", new DEROctetString("interop-1".getBytes(StandardCharsets.US_ASCII)));
        add(
                all,
                "4",
                new ContentHints(PKCSObjectIdentifiers.data, new DERUTF8String("a letter"))
                        .toASN1Primitive());
        add(all, "9", new DERSequence(Lab.label(Lab.BIRCH, 8, Lab.BIRCH_RELEASABLE_TO, 20, 21)));
        ASN1EncodableVector expansion = new ASN1EncodableVector();
        expansion.add(
                new IssuerAndSerialNumber(
                        new JcaX509CertificateHolder(lab.certificate("mla")).toASN1Structure()));
        expansion.add(new DERGeneralizedTime(new Date()));
        expansion.add(new DERTaggedObject(false, 0, DERNull.INSTANCE));
        add(all, "3", new DERSequence(new DERSequence(expansion)));
        return new AttributeTable(all);
    }

    private static void add(
            ASN1EncodableVector all, String branch, org.bouncycastle.asn1.ASN1Encodable value) {
        all.add(new Attribute(PKCSObjectIdentifiers.id_aa.branch(branch), new DERSet(value)));
    }

    private RecipientInfoGenerator agreement(String... names) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", "BC");
        generator.initialize(new ECGenParameterSpec("P-384"));
        KeyPair ephemeral = generator.generateKeyPair();
        JceKeyAgreeRecipientInfoGenerator recipients =
                new JceKeyAgreeRecipientInfoGenerator(
                        CMSAlgorithm.ECDH_SHA384KDF,
                        ephemeral.getPrivate(),
                        ephemeral.getPublic(),
                        CMSAlgorithm.AES256_WRAP);
        for (String name : names) {
            recipients.addRecipient(lab.certificate(name));
        }
        return recipients.setProvider("BC");
    }

    private RecipientInfoGenerator transport(String name, String digest) throws Exception {
        X509Certificate certificate = lab.certificate(name);
        return new JceKeyTransRecipientInfoGenerator(
                        certificate,
                        new JcaAlgorithmParametersConverter()
                                .getAlgorithmIdentifier(
                                        PKCSObjectIdentifiers.id_RSAES_OAEP,
                                        new javax.crypto.spec.OAEPParameterSpec(
                                                digest,
                                                "MGF1",
                                                new java.security.spec.MGF1ParameterSpec(digest),
                                                javax.crypto.spec.PSource.PSpecified.DEFAULT)))
                .setProvider("BC");
    }

    private byte[] enveloped(int bits, RecipientInfoGenerator... recipients) throws Exception {
        CMSEnvelopedDataGenerator generator = new CMSEnvelopedDataGenerator();
        for (RecipientInfoGenerator recipient : recipients) {
            generator.addRecipientInfoGenerator(recipient);
        }
        var cipher =
                bits == 128
                        ? CMSAlgorithm.AES128_CBC
                        : bits == 192 ? CMSAlgorithm.AES192_CBC : CMSAlgorithm.AES256_CBC;
        return generator
                .generate(
                        new CMSProcessableByteArray(content),
                        new JceCMSContentEncryptorBuilder(cipher).setProvider("BC").build())
                .getEncoded();
    }

    private byte[] authenticated(int bits, RecipientInfoGenerator... recipients) throws Exception {
        return authenticatedOf(content, bits, recipients);
    }

    private static byte[] authenticatedOf(
            byte[] content, int bits, RecipientInfoGenerator... recipients) throws Exception {
        CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
        for (RecipientInfoGenerator recipient : recipients) {
            generator.addRecipientInfoGenerator(recipient);
        }
        var cipher =
                bits == 128
                        ? CMSAlgorithm.AES128_GCM
                        : bits == 192 ? CMSAlgorithm.AES192_GCM : CMSAlgorithm.AES256_GCM;
        return generator
                .generate(
                        new CMSProcessableByteArray(content),
                        (OutputAEADEncryptor)
                                new JceCMSContentEncryptorBuilder(cipher).setProvider("BC").build())
                .getEncoded();
    }
}

import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.FileReader;
import java.io.InputStream;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import javax.mail.internet.MimeBodyPart;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.DERTaggedObject;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.util.io.pem.PemReader;

/** What Verify and Make share: the demo's PKI, and the label (which Bouncy Castle has no class for). */
final class Lab {
    static final ASN1ObjectIdentifier LABEL = PKCSObjectIdentifiers.id_aa.branch("2");
    static final String ALDER = "1.3.6.1.4.1.32473.1.1";
    static final String ALDER_RELEASABLE_TO = "1.3.6.1.4.1.32473.1.1.1";
    static final String BIRCH = "1.3.6.1.4.1.32473.2.1";
    static final String BIRCH_RELEASABLE_TO = "1.3.6.1.4.1.32473.2.1.1";
    private static final String ENUMERATED_PERMISSIVE = "2.16.840.1.101.2.1.8.3.1";

    static {
        Security.addProvider(new BouncyCastleProvider());
    }

    private final Path pki;

    Lab(String pki) {
        this.pki = Path.of(pki);
    }

    X509Certificate certificate(String name) throws Exception {
        try (InputStream in = new FileInputStream(pki.resolve(name + ".pem").toFile())) {
            return (X509Certificate)
                    CertificateFactory.getInstance("X.509", "BC").generateCertificate(in);
        }
    }

    PrivateKey key(String name) throws Exception {
        try (PemReader in =
                new PemReader(new FileReader(pki.resolve(name + ".key.pem").toFile()))) {
            return KeyFactory.getInstance("EC", "BC")
                    .generatePrivate(new PKCS8EncodedKeySpec(in.readPemObject().getContent()));
        }
    }

    static MimeBodyPart part(byte[] octets) throws Exception {
        return new MimeBodyPart(new ByteArrayInputStream(octets));
    }

    static byte[] read(String file) throws Exception {
        return Files.readAllBytes(Path.of(file));
    }

    /** ESSSecurityLabel (RFC 2634 section 3.2) with one permissive category (ACP 145), if any. */
    static DERSet label(String policy, int classification, String tagSet, int... values) {
        ASN1EncodableVector label = new ASN1EncodableVector();
        label.add(new ASN1ObjectIdentifier(policy));
        label.add(new ASN1Integer(BigInteger.valueOf(classification)));
        if (values.length > 0) {
            ASN1EncodableVector set = new ASN1EncodableVector();
            for (int value : values) {
                set.add(new ASN1Integer(BigInteger.valueOf(value)));
            }
            ASN1EncodableVector tags = new ASN1EncodableVector();
            tags.add(new ASN1ObjectIdentifier(tagSet));
            tags.add(new DERSet(set));
            ASN1EncodableVector category = new ASN1EncodableVector();
            category.add(
                    new DERTaggedObject(
                            false, 0, new ASN1ObjectIdentifier(ENUMERATED_PERMISSIVE)));
            category.add(new DERTaggedObject(true, 1, new DERSequence(tags)));
            label.add(new DERSet(new DERSequence(category)));
        }
        return new DERSet(label);
    }
}

import java.io.FileWriter;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.Date;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERBitString;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.Target;
import org.bouncycastle.asn1.x509.TargetInformation;
import org.bouncycastle.cert.AttributeCertificateHolder;
import org.bouncycastle.cert.AttributeCertificateIssuer;
import org.bouncycastle.cert.X509AttributeCertificateHolder;
import org.bouncycastle.cert.X509v2AttributeCertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateHolder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;

/**
 * Makes attribute certificates (RFC 5755) about the demo's reader, by the demo's clerk.
 *
 * <p>usage: Attributes ALDER-PKI OUT-FOLDER
 */
final class Attributes {
    private static final ASN1ObjectIdentifier CLEARANCE = new ASN1ObjectIdentifier("2.5.4.55");
    private static final long HOUR = 3_600_000L;

    private final Lab alder;
    private final Path out;
    private final X509Certificate reader;
    private final X509Certificate giver;

    private Attributes(Lab alder, Path out) throws Exception {
        this.alder = alder;
        this.out = out;
        this.reader = alder.certificate("reader");
        this.giver = alder.certificate("clerk");
    }

    public static void main(String[] arguments) throws Exception {
        new Attributes(new Lab(arguments[0]), Path.of(arguments[1])).all();
    }

    private void all() throws Exception {
        long now = System.currentTimeMillis();
        var base = new AttributeCertificateHolder(new JcaX509CertificateHolder(reader));
        var named = new AttributeCertificateHolder(new JcaX509CertificateHolder(reader).getSubject());
        write("base", builder(base, now - HOUR, now + HOUR));
        write("named", builder(named, now - HOUR, now + HOUR));
        write("expired", builder(base, now - 2 * HOUR, now - HOUR));
        write("ours", targeted(builder(base, now - HOUR, now + HOUR), "switch.alder.example"));
        write("others", targeted(builder(base, now - HOUR, now + HOUR), "switch.birch.example"));
        var critical = builder(base, now - HOUR, now + HOUR);
        critical.addExtension(Extension.auditIdentity, true, new DEROctetString(new byte[] {9}));
        write("critical", critical);
    }

    private X509v2AttributeCertificateBuilder builder(
            AttributeCertificateHolder holder, long from, long to) throws Exception {
        var issuer = new AttributeCertificateIssuer(new JcaX509CertificateHolder(giver).getSubject());
        var builder =
                new X509v2AttributeCertificateBuilder(
                        holder, issuer, BigInteger.valueOf(4711), new Date(from), new Date(to));
        ASN1EncodableVector clearance = new ASN1EncodableVector();
        clearance.add(new ASN1ObjectIdentifier(Lab.ALDER));
        // Bits 1 to 4: unclassified to secret.
        clearance.add(new DERBitString(new byte[] {0x78}, 3));
        builder.addAttribute(CLEARANCE, new DERSequence(clearance));
        builder.addExtension(Extension.noRevAvail, false, DERNull.INSTANCE);
        return builder;
    }

    private static X509v2AttributeCertificateBuilder targeted(
            X509v2AttributeCertificateBuilder builder, String host) throws Exception {
        GeneralName name = new GeneralName(GeneralName.dNSName, host);
        Target[] targets = {new Target(Target.targetName, name)};
        builder.addExtension(Extension.targetInformation, true, new TargetInformation(targets));
        return builder;
    }

    private void write(String name, X509v2AttributeCertificateBuilder builder) throws Exception {
        var signer = new JcaContentSignerBuilder("SHA384withECDSA").build(alder.key("clerk"));
        X509AttributeCertificateHolder made = builder.build(signer);
        try (var pem = new JcaPEMWriter(new FileWriter(out.resolve(name + ".ac").toFile()))) {
            pem.writeObject(made);
        }
        Files.write(out.resolve(name + ".ac.der"), made.getEncoded());
    }
}

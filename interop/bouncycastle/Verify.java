import java.security.MessageDigest;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMultipart;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.ess.SigningCertificateV2;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateHolder;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSEnvelopedData;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceKeyAgreeEnvelopedRecipient;
import org.bouncycastle.mail.smime.SMIMESigned;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;

/**
 * Takes what the switch made apart; one line per check: what, a tab, ok or FAIL and why.
 *
 * <p>usage: Verify released|border|delivered|countersignature MESSAGE ALDER-PKI BIRCH-PKI
 */
final class Verify {
    private static boolean all = true;

    interface Check {
        boolean holds() throws Exception;
    }

    private static void check(String what, Check check) {
        String outcome;
        try {
            outcome = check.holds() ? "ok" : "FAIL (no)";
        } catch (Exception error) {
            outcome = "FAIL (" + error.getMessage() + ")";
        }
        all &= outcome.equals("ok");
        System.out.println(what + "\t" + outcome);
    }

    private final Lab alder;
    private final Lab birch;

    private Verify(Lab alder, Lab birch) {
        this.alder = alder;
        this.birch = birch;
    }

    public static void main(String[] arguments) throws Exception {
        Verify verify = new Verify(new Lab(arguments[2]), new Lab(arguments[3]));
        MimeBodyPart message = Lab.part(Lab.read(arguments[1]));
        switch (arguments[0]) {
            case "released" -> verify.drafted("released", message);
            case "border" -> verify.border(message);
            case "delivered" -> verify.delivered(message);
            case "countersignature" -> verify.countersignature("", only(signed(message)));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.exit(all ? 0 : 1);
    }

    /** Border's signature, envelope for BIRCH, and what is inside. */
    private void border(MimeBodyPart message) throws Exception {
        SMIMESigned outer = signed(message);
        by("border, outer signature", only(outer), outer, alder, "border-sign");
        label("border, relay label", only(outer), Lab.label(Lab.BIRCH, 6, null));
        domain("border", open(outer.getContent(), birch, "border-encrypt", true));
    }

    /** The envelope for BIRCH's reader, and what is inside. */
    private void delivered(MimeBodyPart message) throws Exception {
        domain("delivered", open(message, birch, "reader-encrypt", false));
    }

    private void domain(String name, MimeBodyPart part) throws Exception {
        SMIMESigned domain = signed(part);
        by(name + ", domain signature", only(domain), domain, alder, "border-sign");
        label(
                name + ", BIRCH's label in the domain signature",
                only(domain),
                Lab.label(Lab.BIRCH, 8, Lab.BIRCH_RELEASABLE_TO, 20, 21));
        drafted(name, domain.getContent());
    }

    /** The drafter's signature with its attributes, and the officer's over it. */
    private void drafted(String name, MimeBodyPart part) throws Exception {
        SMIMESigned drafted = signed(part);
        SignerInformation drafter = only(drafted);
        by(name + ", drafter's signature", drafter, drafted, alder, "drafter");
        label(
                name + ", ALDER's label, octet for octet",
                drafter,
                Lab.label(Lab.ALDER, 4, Lab.ALDER_RELEASABLE_TO, 1, 2));
        check(
                name + ", receipt request",
                () ->
                        drafter.getSignedAttributes()
                                        .get(PKCSObjectIdentifiers.id_aa_receiptRequest)
                                != null);
        countersignature(name + ", ", drafter);
    }

    private void countersignature(String name, SignerInformation drafter) throws Exception {
        Collection<SignerInformation> all = drafter.getCounterSignatures().getSigners();
        check(name + "one countersignature", () -> all.size() == 1);
        for (SignerInformation officer : all) {
            X509Certificate certificate = alder.certificate("officer");
            check(
                    name + "countersignature by the officer over the drafter's",
                    () -> officer.isCounterSignature() && good(officer, certificate));
            check(
                    name + "countersignature without content-type (RFC 5652 11.4)",
                    () -> officer.getContentType() == null);
        }
    }

    private void by(
            String what, SignerInformation signer, SMIMESigned from, Lab lab, String name)
            throws Exception {
        X509Certificate certificate = lab.certificate(name);
        check(what + " by " + name, () -> good(signer, certificate));
        check(
                what + ", path to the anchor",
                () ->
                        new JcaX509CertificateHolder(certificate)
                                .isSignatureValid(
                                        new JcaContentVerifierProviderBuilder()
                                                .setProvider("BC")
                                                .build(lab.certificate("ca"))));
        check(
                what + ", certificate came along",
                () ->
                        from.getCertificates().getMatches(null).stream()
                                .anyMatch(new JcaX509CertificateHolder(certificate)::equals));
        check(what + ", signingCertificateV2", () -> certificateIsNamed(signer, certificate));
    }

    private static void label(String what, SignerInformation signer, DERSet wanted) {
        check(
                what,
                () -> {
                    ASN1Encodable found = value(signer, Lab.LABEL);
                    return Arrays.equals(
                            wanted.getEncoded("DER"), found.toASN1Primitive().getEncoded());
                });
    }

    private static ASN1Encodable value(
            SignerInformation signer, org.bouncycastle.asn1.ASN1ObjectIdentifier kind) {
        Attribute attribute = signer.getSignedAttributes().get(kind);
        if (attribute == null || attribute.getAttrValues().size() != 1) {
            throw new IllegalStateException("not there once");
        }
        return attribute.getAttrValues().getObjectAt(0);
    }

    private static boolean certificateIsNamed(
            SignerInformation signer, X509Certificate certificate) throws Exception {
        var named =
                SigningCertificateV2.getInstance(
                                value(signer, PKCSObjectIdentifiers.id_aa_signingCertificateV2))
                        .getCerts()[0];
        byte[] digest =
                MessageDigest.getInstance(named.getHashAlgorithm().getAlgorithm().getId(), "BC")
                        .digest(certificate.getEncoded());
        return Arrays.equals(digest, named.getCertHash())
                && named.getIssuerSerial()
                        .getSerial()
                        .getValue()
                        .equals(certificate.getSerialNumber());
    }

    private static boolean good(SignerInformation signer, X509Certificate certificate)
            throws Exception {
        return signer.getSID().match(new X509CertificateHolder(certificate.getEncoded()))
                && signer.verify(
                        new JcaSimpleSignerInfoVerifierBuilder()
                                .setProvider("BC")
                                .build(certificate));
    }

    private static SMIMESigned signed(MimeBodyPart part) throws Exception {
        return part.isMimeType("multipart/signed")
                ? new SMIMESigned((MimeMultipart) part.getContent())
                : new SMIMESigned(part);
    }

    private static SignerInformation only(SMIMESigned signed) {
        List<SignerInformation> signers =
                List.copyOf(signed.getSignerInfos().getSigners());
        if (signers.size() != 1) {
            throw new IllegalStateException(signers.size() + " signers, not one");
        }
        return signers.get(0);
    }

    private static MimeBodyPart open(MimeBodyPart part, Lab lab, String name, boolean authenticated)
            throws Exception {
        Collection<RecipientInformation> recipients =
                authenticated
                        ? new CMSAuthEnvelopedData(part.getInputStream())
                                .getRecipientInfos()
                                .getRecipients()
                        : new CMSEnvelopedData(part.getInputStream())
                                .getRecipientInfos()
                                .getRecipients();
        X509CertificateHolder wanted = new JcaX509CertificateHolder(lab.certificate(name));
        for (RecipientInformation recipient : recipients) {
            if (recipient.getRID().match(wanted)) {
                byte[] plain =
                        recipient.getContent(
                                new JceKeyAgreeEnvelopedRecipient(lab.key(name))
                                        .setProvider("BC"));
                check("envelope for " + name + " opens", () -> true);
                return Lab.part(plain);
            }
        }
        throw new IllegalStateException("no recipient is " + name);
    }
}

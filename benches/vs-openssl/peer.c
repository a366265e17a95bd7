/* What benches/smime.rs measures, done with libcrypto: the other half of the same run.
 *
 * usage: peer FOLDER; then lines on stdin, one answer each:
 *   CASE CIPHER SIZE MILLISECONDS  ->  COUNT NANOSECONDS   processor time of this process
 *   make CIPHER SIZE FILE          ->  made 0              writes a triple wrap
 *   check CIPHER SIZE FILE         ->  good 0              takes one apart, compares the content
 * CASE is sign, verify, envelope, open, triple-wrap or triple-unwrap; CIPHER aes-256-gcm or
 * aes-256-cbc. FOLDER holds ca.pem, signer.pem, signer.key.pem, recipient0..2.pem,
 * recipient0.key.pem and content-SIZE.
 *
 * As the Rust side: P-384 and SHA-384, signing-certificate-v2, whole MIME entities in base64, one
 * application/pkcs7-mime layer in the other, the signer's path checked. libcrypto makes an ephemeral
 * key for each recipient; it has no way to make one for all. Any failure ends the program.
 */
#define _GNU_SOURCE
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    unsigned char *at;
    size_t length;
} Octets;

static X509 *signer, *recipients[3];
static EVP_PKEY *signing, *opening;
static X509_STORE *trust;
static EVP_MD *sha384;
static EVP_CIPHER *gcm, *cbc, *wrap;
static const char *folder;

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

#define MUST(what) do { if (!(what)) fail(#what); } while (0)

static BIO *file(const char *name, const char *mode) {
    char path[4096];
    snprintf(path, sizeof path, name[0] == '/' ? "%s%s" : "%s/%s", name[0] == '/' ? "" : folder, name);
    BIO *bio = BIO_new_file(path, mode);
    if (!bio) fail(path);
    return bio;
}

static X509 *certificate(const char *name) {
    BIO *in = file(name, "r");
    X509 *read = PEM_read_bio_X509(in, NULL, NULL, NULL);
    MUST(read);
    BIO_free(in);
    return read;
}

static EVP_PKEY *key(const char *name) {
    BIO *in = file(name, "r");
    EVP_PKEY *read = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    MUST(read);
    BIO_free(in);
    return read;
}

static Octets octets_of(BIO *bio) {
    Octets out = {NULL, 0};
    unsigned char part[65536];
    int got;
    while ((got = BIO_read(bio, part, sizeof part)) > 0) {
        MUST(out.at = realloc(out.at, out.length + got));
        memcpy(out.at + out.length, part, got);
        out.length += got;
    }
    return out;
}

static Octets whole_file(const char *name) {
    BIO *in = file(name, "rb");
    Octets out = octets_of(in);
    BIO_free(in);
    return out;
}

/* A MIME entity around a CMS object; frees the object. Lines as RFC 2045 wants them. */
static Octets entity(const char *smime_type, CMS_ContentInfo *cms) {
    unsigned char *der = NULL;
    int length = i2d_CMS_ContentInfo(cms, &der);
    MUST(length > 0);
    CMS_ContentInfo_free(cms);
    Octets out = {malloc(512 + (size_t)length / 57 * 78 + 100), 0};
    MUST(out.at);
    out.length = sprintf((char *)out.at,
                         "Content-Type: application/pkcs7-mime; smime-type=%s; name=\"smime.p7m\"\r\n"
                         "Content-Transfer-Encoding: base64\r\n"
                         "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n",
                         smime_type);
    for (int at = 0; at < length; at += 57) {
        int chunk = length - at < 57 ? length - at : 57;
        out.length += EVP_EncodeBlock(out.at + out.length, der + at, chunk);
        out.at[out.length++] = '\r';
        out.at[out.length++] = '\n';
    }
    OPENSSL_free(der);
    return out;
}

/* The CMS object in a MIME entity. */
static CMS_ContentInfo *object(Octets entity) {
    unsigned char *body = memmem(entity.at, entity.length, "\r\n\r\n", 4);
    MUST(body);
    body += 4;
    size_t length = entity.length - (body - entity.at);
    unsigned char *der = malloc(length + 4);
    EVP_ENCODE_CTX *decoder = EVP_ENCODE_CTX_new();
    int first = 0, last = 0;
    MUST(der && decoder);
    EVP_DecodeInit(decoder);
    MUST(EVP_DecodeUpdate(decoder, der, &first, body, (int)length) >= 0);
    MUST(EVP_DecodeFinal(decoder, der + first, &last) >= 0);
    EVP_ENCODE_CTX_free(decoder);
    const unsigned char *at = der;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, first + last);
    MUST(cms);
    free(der);
    return cms;
}

static Octets sign(Octets content) {
    unsigned flags = CMS_BINARY | CMS_NOSMIMECAP;
    BIO *in = BIO_new_mem_buf(content.at, (int)content.length);
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);
    MUST(in && cms);
    MUST(CMS_add1_signer(cms, signer, signing, sha384, flags | CMS_CADES));
    MUST(CMS_final(cms, in, NULL, flags));
    BIO_free(in);
    return entity("signed-data", cms);
}

static Octets verify(Octets signed_entity) {
    CMS_ContentInfo *cms = object(signed_entity);
    BIO *out = BIO_new(BIO_s_mem());
    MUST(out && CMS_verify(cms, NULL, trust, NULL, out, CMS_BINARY) == 1);
    CMS_ContentInfo_free(cms);
    Octets content = octets_of(out);
    BIO_free(out);
    return content;
}

static Octets envelope(Octets content, EVP_CIPHER *cipher) {
    BIO *in = BIO_new_mem_buf(content.at, (int)content.length);
    CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, cipher, CMS_BINARY | CMS_PARTIAL);
    MUST(in && cms);
    for (int each = 0; each < 3; each++) {
        CMS_RecipientInfo *info = CMS_add1_recipient_cert(cms, recipients[each], CMS_KEY_PARAM);
        MUST(info);
        MUST(EVP_PKEY_CTX_set_ecdh_kdf_md(CMS_RecipientInfo_get0_pkey_ctx(info), sha384) > 0);
        MUST(EVP_EncryptInit_ex(CMS_RecipientInfo_kari_get0_ctx(info), wrap, NULL, NULL, NULL));
    }
    MUST(CMS_final(cms, in, NULL, CMS_BINARY));
    BIO_free(in);
    return entity(cipher == gcm ? "authEnveloped-data" : "enveloped-data", cms);
}

static Octets open_envelope(Octets enveloped) {
    CMS_ContentInfo *cms = object(enveloped);
    BIO *out = BIO_new(BIO_s_mem());
    MUST(out && CMS_decrypt(cms, opening, recipients[0], NULL, out, CMS_BINARY) == 1);
    CMS_ContentInfo_free(cms);
    Octets content = octets_of(out);
    BIO_free(out);
    return content;
}

static Octets triple_wrap(Octets content, EVP_CIPHER *cipher) {
    Octets inner = sign(content);
    Octets middle = envelope(inner, cipher);
    free(inner.at);
    Octets outer = sign(middle);
    free(middle.at);
    return outer;
}

static Octets triple_unwrap(Octets wrapped) {
    Octets middle = verify(wrapped);
    Octets inner = open_envelope(middle);
    free(middle.at);
    Octets content = verify(inner);
    free(inner.at);
    return content;
}

static Octets once(const char *what, Octets input, EVP_CIPHER *cipher) {
    if (!strcmp(what, "sign")) return sign(input);
    if (!strcmp(what, "verify")) return verify(input);
    if (!strcmp(what, "envelope")) return envelope(input, cipher);
    if (!strcmp(what, "open")) return open_envelope(input);
    if (!strcmp(what, "triple-wrap")) return triple_wrap(input, cipher);
    if (!strcmp(what, "triple-unwrap")) return triple_unwrap(input);
    fail("there is no such case");
    return input;
}

static long long processor_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void measure(const char *what, EVP_CIPHER *cipher, Octets content, long long milliseconds) {
    Octets input = content;
    if (!strcmp(what, "verify")) input = sign(content);
    if (!strcmp(what, "open")) input = envelope(content, cipher);
    if (!strcmp(what, "triple-unwrap")) input = triple_wrap(content, cipher);
    free(once(what, input, cipher).at);
    long long count = 0, began = processor_time(), took;
    do {
        free(once(what, input, cipher).at);
        count++;
        took = processor_time() - began;
    } while (took < milliseconds * 1000000);
    if (input.at != content.at) free(input.at);
    printf("%lld %lld\n", count, took);
}

int main(int count, char **arguments) {
    char line[8192], what[64], cipher_name[64], last[4096], name[64];
    long size;
    if (count != 2) fail("usage: peer FOLDER");
    folder = arguments[1];
    MUST(sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL));
    MUST(gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL));
    MUST(cbc = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL));
    MUST(wrap = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", NULL));
    signer = certificate("signer.pem");
    signing = key("signer.key.pem");
    opening = key("recipient0.key.pem");
    for (int each = 0; each < 3; each++) {
        snprintf(name, sizeof name, "recipient%d.pem", each);
        recipients[each] = certificate(name);
    }
    MUST(trust = X509_STORE_new());
    MUST(X509_STORE_add_cert(trust, certificate("ca.pem")));
    MUST(X509_STORE_set_purpose(trust, X509_PURPOSE_SMIME_SIGN));
    printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%63s %63s %ld %4095s", what, cipher_name, &size, last) != 4) fail(line);
        EVP_CIPHER *cipher = strcmp(cipher_name, "aes-256-cbc") ? gcm : cbc;
        snprintf(name, sizeof name, "content-%ld", size);
        Octets content = whole_file(name);
        if (!strcmp(what, "make")) {
            Octets made = triple_wrap(content, cipher);
            BIO *out = file(last, "wb");
            MUST(BIO_write(out, made.at, (int)made.length) == (int)made.length);
            BIO_free(out);
            free(made.at);
            puts("made 0");
        } else if (!strcmp(what, "check")) {
            Octets wrapped = whole_file(last);
            Octets found = triple_unwrap(wrapped);
            MUST(found.length == content.length && !memcmp(found.at, content.at, content.length));
            free(wrapped.at);
            free(found.at);
            puts("good 0");
        } else {
            measure(what, cipher, content, atoll(last));
        }
        free(content.at);
        fflush(stdout);
    }
    return 0;
}

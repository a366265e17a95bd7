/* What benches/trust.rs measures, done with libcrypto: a path of three with a CRL of each authority.
 *
 * usage: path FOLDER; prints NAME<TAB>NANOSECONDS, the best of nine rounds each:
 *   cold   certificates and lists are parsed, a store is made, X509_verify_cert with every status
 *   kept   the same store and certificates again
 * FOLDER holds root.der, middle.der, end.der, root.crl and middle.crl. Any failure ends the program.
 */
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

#define MUST(what) do { if (!(what)) fail(#what); } while (0)

typedef struct {
    unsigned char at[8192];
    long length;
} Octets;

static Octets root, middle, end, lists[2];

static void take(const char *folder, const char *name, Octets *into) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    into->length = (long)fread(into->at, 1, sizeof into->at, file);
    fclose(file);
}

static X509 *certificate(const Octets *octets) {
    const unsigned char *at = octets->at;
    X509 *read = d2i_X509(NULL, &at, octets->length);
    MUST(read);
    return read;
}

typedef struct {
    X509_STORE *store;
    STACK_OF(X509) *between;
    X509 *end;
} Judged;

static Judged prepare(void) {
    Judged all = {X509_STORE_new(), sk_X509_new_null(), certificate(&end)};
    X509 *anchor = certificate(&root);
    MUST(X509_STORE_add_cert(all.store, anchor));
    X509_free(anchor);
    for (int i = 0; i < 2; i++) {
        const unsigned char *at = lists[i].at;
        X509_CRL *list = d2i_X509_CRL(NULL, &at, lists[i].length);
        MUST(list && X509_STORE_add_crl(all.store, list));
        X509_CRL_free(list);
    }
    MUST(sk_X509_push(all.between, certificate(&middle)));
    MUST(X509_STORE_set_flags(all.store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL));
    return all;
}

static void judge(const Judged *all) {
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    MUST(context && X509_STORE_CTX_init(context, all->store, all->end, all->between));
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context), 1795250000 /* 2026-11-21 */);
    MUST(X509_verify_cert(context) == 1);
    X509_STORE_CTX_free(context);
}

static void release(Judged *all) {
    X509_STORE_free(all->store);
    sk_X509_pop_free(all->between, X509_free);
    X509_free(all->end);
}

static void cold(void) {
    Judged all = prepare();
    judge(&all);
    release(&all);
}

static Judged known;
static void kept(void) { judge(&known); }

static void measure(const char *name, void (*work)(void)) {
    double best = 1e18;
    for (int round = 0; round < 9; round++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int i = 0; i < 50; i++) work();
        clock_gettime(CLOCK_MONOTONIC, &to);
        double each = ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / 50;
        if (each < best) best = each;
    }
    printf("%s\t%.0f\n", name, best);
}

int main(int count, char **arguments) {
    MUST(count == 2);
    take(arguments[1], "root.der", &root);
    take(arguments[1], "middle.der", &middle);
    take(arguments[1], "end.der", &end);
    take(arguments[1], "root.crl", &lists[0]);
    take(arguments[1], "middle.crl", &lists[1]);
    known = prepare();
    measure("cold", cold);
    measure("kept", kept);
    release(&known);
    return 0;
}

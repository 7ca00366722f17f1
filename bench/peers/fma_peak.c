/* fma_peak.c - the most multiply-adds that this CPU's cores can do: chains of vector FMAs that stay
 * in registers, on every core. Prints GFLOP/s; with --serve once for each line of standard input.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#if defined(__AVX512F__)
enum { LANES = 16, CHAINS = 24 };
#else
enum { LANES = 8, CHAINS = 12 };
#endif
enum { ROUNDS = 1 << 14, MAX_THREADS = 256 };
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

static double budget = 0.2;

static void *work(void *rate)
{
    lanes sums[CHAINS], factor, term;
    for (int i = 0; i < LANES; ++i) {
        factor[i] = 0.999f;
        term[i] = 0.001f * (float)(i + 1);
    }
    for (int c = 0; c < CHAINS; ++c) sums[c] = term * (float)c;
    __asm__ volatile("" : "+x"(factor), "+x"(term));
    size_t done = 0;
    const double start = peer_seconds();
    double elapsed;
    do {
        for (int r = 0; r < ROUNDS; ++r) {
#pragma GCC unroll 24
            for (int c = 0; c < CHAINS; ++c) sums[c] = sums[c] * factor + term;
        }
        done += ROUNDS;
        elapsed = peer_seconds() - start;
    } while (elapsed < budget);
    /* Were the sums not used, there would be nothing to compute. */
    for (int c = 0; c < CHAINS; ++c) __asm__ volatile("" : : "x"(sums[c]));
    *(double *)rate = 2e-9 * (double)done * CHAINS * LANES / elapsed;
    return NULL;
}

static void measure(long threads)
{
    static pthread_t handles[MAX_THREADS];
    static double rates[MAX_THREADS];
    double sum = 0;
    for (long t = 0; t < threads; ++t)
        if (pthread_create(&handles[t], NULL, work, &rates[t]) != 0) peer_fail("no threads");
    for (long t = 0; t < threads; ++t) {
        pthread_join(handles[t], NULL);
        sum += rates[t];
    }
    printf("{\"peer\": \"FMA peak\", \"threads\": %ld, \"gflops\": %.6g}\n", threads, sum);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    const char *given = getenv("OMP_NUM_THREADS");
    if (given && atoi(given) > 0) threads = atoi(given);
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    if (argc < 2 || strcmp(argv[1], "--serve") != 0) {
        measure(threads);
        return 0;
    }
    char line[128];
    puts("{\"peer\": \"FMA peak\"}");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (strtod(line, NULL) > 0) budget = strtod(line, NULL);
        measure(threads);
    }
    return 0;
}

/* gemm_table.h - the three products of a dense layer, for B rows, m inputs and n units:
 *
 *     forward   out [B][n] = X [B][m] W [n][m]^T
 *     effect    out [B][m] = D [B][n] W [n][m]
 *     gradient  out [n][m] = D [B][n]^T X [B][m]
 *
 * A program fills in a gemm_peer; measuring, checking and talking to compare.py is done here. */
#ifndef GEMM_TABLE_H
#define GEMM_TABLE_H

#include "peer.h"

typedef enum gemm_product { GEMM_FORWARD, GEMM_EFFECT, GEMM_GRADIENT, GEMM_PRODUCTS } gemm_product;

typedef struct gemm_case {
    gemm_product product;
    size_t rows, inputs, units;
    /* Left and right operand as they stand above, row-major without gaps, and room for the result.
     */
    size_t left_rows, left_columns, right_rows, right_columns, out_rows, out_columns;
    float *left, *right, *out;
} gemm_case;

typedef struct gemm_peer {
    char name[96];
    void (*prepare)(const gemm_case *of);
    void (*run)(const gemm_case *of, size_t times); /* returns when all of it is done */
    void (*fetch)(const gemm_case *of);             /* result to of->out; may be NULL */
    void (*release)(void);                          /* may be NULL */
} gemm_peer;

/* The whole program:  NAME PRODUCT ROWS INPUTS UNITS [...]   or   NAME --serve [...]
 * which takes "PRODUCT ROWS INPUTS UNITS SECONDS" from each line of standard input. open gets the
 * rest, from argv[1] on. */
int gemm_main(int argc, char **argv, void (*open)(gemm_peer *out, int argc, char **argv));

#endif

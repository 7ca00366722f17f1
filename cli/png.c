/* png.c - finds librsvg at run time, and cairo through it, and lets them draw.
 *
 * The prototypes are restated instead of included: both interfaces have kept them for years, and a
 * build without their development files still makes PNGs where the libraries are. The test reads
 * the pixels back. */
#include "png.h"

#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGB32 = 0, SUCCESS = 0, WRITE_ERROR = 11, ENLARGED = 2, LARGEST = 16000 };

typedef struct rectangle {
    double x, y, width, height;
} rectangle;

typedef int (*write_function)(void *closure, const unsigned char *bytes, unsigned length);

#define FUNCTIONS(X)                                                                               \
    X(void *, rsvg_handle_new_from_data, (const uint8_t *, size_t, void **error))                  \
    X(int, rsvg_handle_get_intrinsic_size_in_pixels, (void *, double *width, double *height))      \
    X(int, rsvg_handle_render_document, (void *, void *cairo, const rectangle *, void **error))    \
    X(void, g_object_unref, (void *))                                                              \
    X(void *, cairo_image_surface_create, (int format, int width, int height))                     \
    X(void *, cairo_create, (void *surface))                                                       \
    X(int, cairo_status, (void *))                                                                 \
    X(int, cairo_surface_write_to_png_stream, (void *, write_function, void *closure))             \
    X(void, cairo_destroy, (void *))                                                               \
    X(void, cairo_surface_destroy, (void *))

#define MEMBER(type, name, parameters) type(*name) parameters;
static struct {
    FUNCTIONS(MEMBER)
} lib;

static char problem[256];

static void *open_library(void)
{
    const char *const names[] = {"librsvg-2.so.2", "librsvg-2.2.dylib", "librsvg-2.dylib"};
    const char *own = getenv("BACKPROP_RSVG_LIBRARY");
    if (own && *own) return dlopen(own, RTLD_NOW | RTLD_LOCAL);
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; ++i)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    return library;
}

static void load(void)
{
    /* Never closed: glib cannot be. What librsvg needs is found through it. */
    void *library = open_library();
    if (!library) {
        snprintf(problem, sizeof problem,
                 "PNG needs librsvg, which is not here (Debian: apt-get install librsvg2-2); a "
                 "FILE.svg needs nothing");
        return;
    }
#define FIND(type, name, parameters)                                                               \
    do {                                                                                           \
        void *symbol = dlsym(library, #name);                                                      \
        if (!symbol) {                                                                             \
            snprintf(problem, sizeof problem, "PNG needs librsvg 2.52, here is no " #name);        \
            return;                                                                                \
        }                                                                                          \
        memcpy(&lib.name, &symbol, sizeof symbol);                                                 \
    } while (0);
    FUNCTIONS(FIND)
}

const char *cli_png_problem(void)
{
    static bool tried;
    if (!tried) load();
    tried = true;
    return *problem ? problem : NULL;
}

typedef struct bytes {
    unsigned char *data;
    size_t size, capacity;
} bytes;

static int keep(void *closure, const unsigned char *data, unsigned length)
{
    bytes *b = closure;
    if (b->capacity - b->size < length) {
        const size_t wanted = 2 * b->capacity + length;
        unsigned char *grown = realloc(b->data, wanted);
        if (!grown) return WRITE_ERROR;
        b->data = grown;
        b->capacity = wanted;
    }
    memcpy(b->data + b->size, data, length);
    b->size += length;
    return SUCCESS;
}

static const char *draw(bytes *out, void *picture)
{
    double width = 0, height = 0;
    if (!lib.rsvg_handle_get_intrinsic_size_in_pixels(picture, &width, &height) ||
        !(width * ENLARGED <= LARGEST) || !(height * ENLARGED <= LARGEST))
        return "the picture is too large for a PNG; FILE.svg has no limit";
    const rectangle all = {0, 0, ENLARGED * width, ENLARGED * height};
    void *surface =
        lib.cairo_image_surface_create(ARGB32, (int)ceil(all.width), (int)ceil(all.height));
    void *cairo = lib.cairo_create(surface);
    const bool drawn = lib.cairo_status(cairo) == SUCCESS &&
                       lib.rsvg_handle_render_document(picture, cairo, &all, NULL) &&
                       lib.cairo_status(cairo) == SUCCESS;
    lib.cairo_destroy(cairo);
    const bool made = drawn && lib.cairo_surface_write_to_png_stream(surface, keep, out) == SUCCESS;
    lib.cairo_surface_destroy(surface);
    return made ? NULL : drawn ? "out of memory" : "librsvg could not draw the picture";
}

const char *cli_png_make(unsigned char **png, size_t *png_size, const char *svg, size_t size)
{
    *png = NULL;
    const char *missing = cli_png_problem();
    if (missing) return missing;
    void *picture = lib.rsvg_handle_new_from_data((const uint8_t *)svg, size, NULL);
    if (!picture) return "librsvg could not read the picture";
    bytes out = {0};
    const char *failed = draw(&out, picture);
    lib.g_object_unref(picture);
    if (failed) free(out.data);
    if (!failed) *png = out.data;
    *png_size = out.size;
    return failed;
}

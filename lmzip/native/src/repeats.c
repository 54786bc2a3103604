/* repeats.c - finds long repeats: fingerprints of windows, greedy, compared byte by byte.

   Windows of a size start at multiples of it and are kept in a table by fingerprint, the latest of each; the bytes at
   every place are looked up there.  So a repeat of twice the size and more is found, unless other bytes have the same
   fingerprint, and then followed both ways to its ends.  Windows get smaller from pass to pass, which each fill the
   gaps that the one before left: so long repeats are not cut by short ones.  In the end, gaps are compared with what
   stood at the distance of the repeats beside them, where shorter ones stand if files were copied one by one: those
   cost least to tell of. */
#include <stdlib.h>
#include <string.h>

#include "repeats.h"

/* Shorter repeats cost more than the models take for them: in XML each of 512 bytes and more some 5 bytes. */
#define N_PASSES 2
static const uint32_t windows[N_PASSES] = {1 << 16, 1 << 12};
#define LEAST_BESIDE 512 /* bytes of a repeat at the distance of its neighbour */

/* A fingerprint is the polynomial of the window's bytes at BASE modulo a prime: modulo a power of two, as is cheaper,
   those of self-similar texts (Thue and Morse's) would be equal. */
#define PRIME 0x7FFFFFFFu /* 2^31 - 1 */
#define BASE 0x1A2B3C4Du  /* below 2^29: what is reduced once stays below 2^32 */

static uint64_t reduced(uint64_t x) { return (x & PRIME) + (x >> 31); }

static uint32_t fingerprint(uint64_t sum) { return (uint32_t)(sum >= PRIME ? sum - PRIME : sum); }

#define MAX_PROBES 64

typedef struct {
    uint32_t fingerprint, end; /* of the window; end 0: none */
} cell;

typedef struct {
    const uint8_t *raw;
    uint32_t size, window;
    uint64_t leaves[256]; /* what a byte takes from the sum where it leaves the window */
    cell *table;
    int shift;            /* from the product to a place in the table */
    uint32_t n_kept;      /* bytes whose windows are in the table */
} scan;

/* The cell of a fingerprint, or the free one where it belongs: at most half of them is taken.  NULL where too many
   others are in the way, as only bytes made for that have them. */
static cell *cell_of(const scan *s, uint32_t print)
{
    const uint32_t mask = UINT32_MAX >> s->shift;
    uint32_t at = print * 0x9E3779B1u >> s->shift;
    for (int i = 0; i < MAX_PROBES; i++, at = (at + 1) & mask)
        if (!s->table[at].end || s->table[at].fingerprint == print)
            return &s->table[at];
    return NULL;
}

/* Sum of the window at a place. */
static uint64_t sum_at(const scan *s, uint32_t at)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->window; i++)
        sum = reduced(sum * BASE + s->raw[at + i]);
    return sum;
}

static void keep(scan *s, uint64_t sum)
{
    const uint32_t print = fingerprint(sum);
    cell *c = cell_of(s, print);
    s->n_kept += s->window;
    if (c)
        *c = (cell){print, s->n_kept};
}

/* Keep all windows that start before a place. */
static void keep_before(scan *s, uint32_t at)
{
    while (s->n_kept < at && s->size - s->n_kept >= s->window)
        keep(s, sum_at(s, s->n_kept));
}

static int add(repeats *found, repeat r)
{
    if (found->n == found->capacity) {
        const size_t capacity = found->capacity * 2 + 64;
        repeat *list = realloc(found->list, capacity * sizeof *list);
        if (!list)
            return 0;
        found->list = list;
        found->capacity = capacity;
    }
    found->list[found->n++] = r;
    return 1;
}

/* The repeat that the bytes at `at` and, before them, at `from` belong to, within [start, end). */
static repeat followed(const scan *s, uint32_t from, uint32_t at, uint32_t start, uint32_t end)
{
    const uint32_t distance = at - from;
    uint32_t stop = at + s->window;
    while (stop < end && s->raw[stop] == s->raw[stop - distance])
        stop++;
    while (at > start && at > distance && s->raw[at - 1] == s->raw[at - 1 - distance])
        at--;
    return (repeat){at, stop - at, distance};
}

/* Add the repeats in a gap [start, end).  Return 0 for no memory. */
static int scan_gap(scan *s, uint32_t start, uint32_t end, repeats *found)
{
    uint32_t at = start;
    while (end - at >= s->window) {
        keep_before(s, at);
        uint64_t sum = sum_at(s, at);
        for (;; at++) {
            const uint32_t print = fingerprint(sum);
            const cell *c = cell_of(s, print);
            if (c && c->end && !memcmp(s->raw + c->end - s->window, s->raw + at, s->window)) {
                const repeat r = followed(s, c->end - s->window, at, start, end);
                if (!add(found, r))
                    return 0;
                at = start = r.start + r.size;
                break;
            }
            if (at == s->n_kept)
                keep(s, sum);
            if (end - at == s->window)
                return 1;
            sum = reduced(sum * BASE + s->leaves[s->raw[at]] + s->raw[at + s->window]);
        }
    }
    return 1;
}

/* Fill the gaps that `known` leaves with repeats that windows of a size find.  Return 0 for no memory. */
static int scan_gaps(const uint8_t *raw, uint32_t size, uint32_t window, const repeats *known, repeats *found)
{
    scan s = {.raw = raw, .size = size, .window = window, .shift = 32 - 8};
    uint64_t power = 1; /* BASE to the power of the window's size */
    uint32_t at = 0;
    int is_done = 1;
    for (uint32_t i = 0; i < window; i++)
        power = reduced(power * BASE);
    for (uint32_t b = 0; b < 256; b++)
        s.leaves[b] = PRIME - (uint64_t)fingerprint(power) * b % PRIME;
    while ((1u << (32 - s.shift)) < size / window * 2)
        s.shift--;
    s.table = calloc((size_t)1 << (32 - s.shift), sizeof *s.table);
    if (!s.table)
        return 0;
    for (size_t i = 0; i < known->n && is_done; i++) {
        const repeat *r = &known->list[i];
        is_done = scan_gap(&s, at, r->start, found) && add(found, *r);
        at = r->start + r->size;
    }
    is_done = is_done && scan_gap(&s, at, size, found);
    free(s.table);
    return is_done;
}

/* Add the repeats of a distance in a gap [start, end).  Return 0 for no memory. */
static int compare_gap(const uint8_t *raw, uint32_t start, uint32_t end, uint32_t distance, repeats *found)
{
    for (uint32_t at = start > distance ? start : distance; at < end; at++) {
        const uint32_t first = at;
        while (at < end && raw[at] == raw[at - distance])
            at++;
        if (at - first >= LEAST_BESIDE && !add(found, (repeat){first, at - first, distance}))
            return 0;
    }
    return 1;
}

/* Fill the gaps that `known` leaves with repeats of the distance of the one before them, or of that behind them. */
static int compare_gaps(const uint8_t *raw, uint32_t size, int is_behind, const repeats *known, repeats *found)
{
    uint32_t at = 0, distance = size;
    int is_done = 1;
    for (size_t i = 0; i < known->n && is_done; i++) {
        const repeat *r = &known->list[i];
        is_done = compare_gap(raw, at, r->start, is_behind ? r->distance : distance, found) && add(found, *r);
        at = r->start + r->size;
        distance = r->distance;
    }
    return is_done && compare_gap(raw, at, size, is_behind ? size : distance, found);
}

static size_t total(const repeats *found)
{
    size_t sum = 0;
    for (size_t i = 0; i < found->n; i++)
        sum += found->list[i].size;
    return sum;
}

int repeats_find(const uint8_t *raw, size_t raw_size, size_t least, repeats *found)
{
    const uint32_t size = (uint32_t)raw_size;
    const repeats none = {NULL, 0, 0};
    *found = none;
    /* The last pass by itself finds most of what all find, and in most blocks nothing. */
    if (!scan_gaps(raw, size, windows[N_PASSES - 1], &none, found))
        return 0;
    const int is_enough = total(found) >= least;
    found->n = 0;
    for (int i = 0; i < N_PASSES + 2 && is_enough; i++) {
        repeats next = none;
        const int is_done = i < N_PASSES ? scan_gaps(raw, size, windows[i], found, &next)
                                         : compare_gaps(raw, size, i > N_PASSES, found, &next);
        repeats_free(found);
        *found = next;
        if (!is_done)
            return 0;
    }
    return 1;
}

void repeats_free(repeats *found)
{
    free(found->list);
    *found = (repeats){NULL, 0, 0};
}

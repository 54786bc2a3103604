/* repeats.c - finds long repeats: fingerprints of windows, greedy, compared byte by byte.

   Windows of a size stand one behind the other and are kept in a table by fingerprint, the latest of each; the bytes at
   every place are looked up there.  So a repeat of twice the size and more is found, unless other bytes have the same
   fingerprint, and then followed both ways to its ends.  Windows get smaller from pass to pass, which each fill the
   gaps that the one before left: so long repeats are not cut by short ones.  In the end, gaps are compared with what
   stood at the distance of the repeats beside them, where shorter ones stand if files were copied one by one: those
   cost least to tell of. */
#include <stdlib.h>
#include <string.h>

#include "equal_bytes.h"
#include "repeats.h"

/* Shorter repeats cost more than the models take for them: in XML each of 512 bytes and more some 5 bytes. */
#define N_PASSES 2
static const uint32_t windows[N_PASSES] = {1 << 16, 1 << 12};
#define LEAST_BESIDE 512 /* bytes of a repeat at the distance of its neighbour */

/* A fingerprint is the polynomial of the window's bytes at BASE modulo a prime: modulo a power of two, as is cheaper,
   those of self-similar texts (Thue and Morse's) would be equal. */
#define PRIME 0x7FFFFFFFu /* 2^31 - 1 */
#define BASE 0x1A2B3C53U  /* it and its N_STRANDS-th power are below 2^29: what is reduced once stays below 2^32 */
#define N_STRANDS 8       /* of a window's sum that are added up side by side */

static uint64_t reduced(uint64_t x) { return (x & PRIME) + (x >> 31); }

static uint32_t fingerprint(uint64_t sum) { return (uint32_t)(sum >= PRIME ? sum - PRIME : sum); }

#define MAX_PROBES 64

typedef struct {
    uint32_t fingerprint, end; /* of the window; end 0: none */
} cell;

typedef struct { /* what is known of windows of a size */
    uint32_t window;
    uint32_t powers[N_STRANDS + 1]; /* of BASE */
    uint64_t leaves[256];           /* what a byte takes from the sum where it leaves the window */
    cell *table;
    int shift;       /* from the product to a place in the table */
    uint32_t n_kept; /* bytes whose windows are in the table */
} memory;

struct lmz_finder {
    memory memories[N_PASSES];
};

typedef struct { /* bytes that are looked through, and a memory to do so */
    memory *m;
    const uint8_t *raw;
    uint32_t oldest, first, size; /* repeats are of bytes from oldest on, in [first, size) */
} scan;

static size_t n_cells(const memory *m) { return (size_t)1 << (32 - m->shift); }

/* The cell of a fingerprint, or the free one where it belongs: at most half of them is taken.  NULL where too many
   others are in the way, as only bytes made for that have them. */
static cell *cell_of(const memory *m, uint32_t print)
{
    const uint32_t mask = UINT32_MAX >> m->shift;
    uint32_t at = print * 0x9E3779B1u >> m->shift;
    for (int i = 0; i < MAX_PROBES; i++, at = (at + 1) & mask)
        if (!m->table[at].end || m->table[at].fingerprint == print)
            return &m->table[at];
    return NULL;
}

/* Sum of the window at a place: of strands, each of every N_STRANDS-th byte, which do not wait for each other. */
static uint64_t sum_at(const scan *s, uint32_t at)
{
    const memory *m = s->m;
    uint64_t strands[N_STRANDS] = {0}, sum = 0;
    for (const uint8_t *from = s->raw + at, *end = from + m->window; from < end; from += N_STRANDS)
        for (int i = 0; i < N_STRANDS; i++)
            strands[i] = reduced(strands[i] * m->powers[N_STRANDS] + from[i]);
    for (int i = 0; i < N_STRANDS; i++)
        sum = reduced(sum + reduced(strands[i] * m->powers[N_STRANDS - 1 - i]));
    return reduced(sum);
}

static void keep(scan *s, uint64_t sum)
{
    const uint32_t print = fingerprint(sum);
    cell *c = cell_of(s->m, print);
    s->m->n_kept += s->m->window;
    if (c)
        *c = (cell){print, s->m->n_kept};
}

/* Keep all windows that start before a place. */
static void keep_before(scan *s, uint32_t at)
{
    while (s->m->n_kept < at && s->size - s->m->n_kept >= s->m->window)
        keep(s, sum_at(s, s->m->n_kept));
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
    const uint32_t distance = at - from, oldest = from < s->first ? s->oldest : s->first;
    uint32_t stop = at + s->m->window;
    stop += (uint32_t)n_equal(s->raw + stop, s->raw + stop - distance, end - stop);
    while (at > start && at - distance > oldest && s->raw[at - 1] == s->raw[at - 1 - distance])
        at--;
    return (repeat){at, stop - at, distance};
}

/* The repeat within [start, end) that the window at `at` belongs to, which stood at `from`.  A run is one of its own
   first byte, so that a block of zeros behind another one stands alone. */
static repeat repeat_at(const scan *s, uint32_t from, uint32_t at, uint32_t start, uint32_t end)
{
    if (from < s->first && !memcmp(s->raw + at, s->raw + at + 1, s->m->window - 1))
        return (repeat){at + 1, (uint32_t)n_equal(s->raw + at + 1, s->raw + at, end - at - 1), 1};
    return followed(s, from, at, start, end);
}

/* Add the repeats in a gap [start, end).  Return 0 for no memory. */
static int scan_gap(scan *s, uint32_t start, uint32_t end, repeats *found)
{
    const uint32_t window = s->m->window;
    uint32_t at = start;
    while (end - at >= window) {
        keep_before(s, at);
        uint64_t sum = sum_at(s, at);
        for (;; at++) {
            const cell *c = cell_of(s->m, fingerprint(sum));
            if (c && c->end >= s->oldest + window && !memcmp(s->raw + c->end - window, s->raw + at, window)) {
                const repeat r = repeat_at(s, c->end - window, at, start, end);
                if (!add(found, r))
                    return 0;
                at = start = r.start + r.size;
                break;
            }
            if (at == s->m->n_kept)
                keep(s, sum);
            if (end - at == window)
                return 1;
            sum = reduced(sum * BASE + s->m->leaves[s->raw[at]] + s->raw[at + window]);
        }
    }
    return 1;
}

/* Fill the gaps that `known` leaves with repeats that windows of a size find.  Return 0 for no memory. */
static int scan_gaps(scan *s, const repeats *known, repeats *found)
{
    uint32_t at = s->first;
    keep_before(s, at);
    for (size_t i = 0; i < known->n; i++) {
        const repeat *r = &known->list[i];
        if (!scan_gap(s, at, r->start, found) || !add(found, *r))
            return 0;
        at = r->start + r->size;
    }
    return scan_gap(s, at, s->size, found);
}

/* Add the repeats of a distance in a gap [start, end).  Return 0 for no memory. */
static int compare_gap(const scan *s, uint32_t start, uint32_t end, uint32_t distance, repeats *found)
{
    const uint32_t before = distance > start - s->oldest ? distance - (start - s->oldest) : 0; /* for want of bytes */
    for (uint32_t at = before < end - start ? start + before : end; at < end; at++) {
        const uint32_t n = (uint32_t)n_equal(s->raw + at, s->raw + at - distance, end - at);
        if (n >= LEAST_BESIDE && !add(found, (repeat){at, n, distance}))
            return 0;
        at += n;
    }
    return 1;
}

/* Fill the gaps that `known` leaves with repeats of the distance of the one before them, or of that behind them. */
static int compare_gaps(const scan *s, int is_behind, const repeats *known, repeats *found)
{
    uint32_t at = s->first, distance = s->size;
    int is_done = 1;
    for (size_t i = 0; i < known->n && is_done; i++) {
        const repeat *r = &known->list[i];
        is_done = compare_gap(s, at, r->start, is_behind ? r->distance : distance, found) && add(found, *r);
        at = r->start + r->size;
        distance = r->distance;
    }
    return is_done && compare_gap(s, at, s->size, is_behind ? s->size : distance, found);
}

static size_t total(const repeats *found)
{
    size_t sum = 0;
    for (size_t i = 0; i < found->n; i++)
        sum += found->list[i].size;
    return sum;
}

/* Drop all repeats of bytes from `start` on. */
static void drop_near(repeats *found, uint32_t start)
{
    size_t n = 0;
    for (size_t i = 0; i < found->n; i++)
        if (found->list[i].start - found->list[i].distance < start)
            found->list[n++] = found->list[i];
    found->n = n;
}

int repeats_find(lmz_finder *finder, const uint8_t *bytes, size_t oldest, size_t start, size_t size, size_t least,
                 repeats *found)
{
    *found = (repeats){NULL, 0, 0};
    for (int i = 0; i < N_PASSES + 2; i++) {
        repeats next = {NULL, 0, 0};
        scan s = {&finder->memories[i < N_PASSES ? i : 0], bytes, (uint32_t)oldest, (uint32_t)start,
                  (uint32_t)size};
        if (i == N_PASSES && total(found) < least)
            drop_near(found, s.first);
        const int is_done = i < N_PASSES ? scan_gaps(&s, found, &next)
                                         : compare_gaps(&s, i > N_PASSES, found, &next);
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

/* --- the finder --------------------------------------------------------------------------------------------------- */

static int memory_init(memory *m, uint32_t window, size_t most)
{
    uint64_t power = 1;
    m->window = window;
    for (uint32_t i = 0; i < window; i++) {
        if (i <= N_STRANDS)
            m->powers[i] = fingerprint(power);
        power = reduced(power * BASE);
    }
    for (uint32_t b = 0; b < 256; b++)
        m->leaves[b] = PRIME - (uint64_t)fingerprint(power) * b % PRIME;
    m->shift = 32 - 8;
    while (n_cells(m) < most / window * 2)
        m->shift--;
    m->table = calloc(n_cells(m), sizeof *m->table);
    return m->table != NULL;
}

lmz_finder *lmz_finder_new(size_t most)
{
    lmz_finder *finder = most <= LMZ_MAX_SHOWN ? calloc(1, sizeof *finder) : NULL;
    for (int i = 0; i < N_PASSES && finder; i++)
        if (!memory_init(&finder->memories[i], windows[i], most)) {
            lmz_finder_free(finder);
            finder = NULL;
        }
    return finder;
}

void lmz_finder_free(lmz_finder *finder)
{
    for (int i = 0; i < N_PASSES && finder; i++)
        free(finder->memories[i].table);
    free(finder);
}

int lmz_finder_forget(lmz_finder *finder, const uint8_t *bytes, size_t size, size_t n)
{
    for (int i = 0; i < N_PASSES; i++) {
        memory *m = &finder->memories[i];
        scan s = {m, bytes, 0, 0, (uint32_t)size};
        keep_before(&s, s.size);
        cell *before = m->table;
        m->table = calloc(n_cells(m), sizeof *m->table);
        for (size_t at = 0; at < n_cells(m) && m->table; at++) {
            cell *to = before[at].end >= n + m->window ? cell_of(m, before[at].fingerprint) : NULL;
            if (to)
                *to = (cell){before[at].fingerprint, before[at].end - (uint32_t)n};
        }
        m->n_kept = m->n_kept > n ? m->n_kept - (uint32_t)n : 0;
        free(before);
        if (!m->table)
            return LMZ_E_MEMORY;
    }
    return LMZ_DONE;
}

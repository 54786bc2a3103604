/* original.c - a block as copies of an original and a rest, and what stands near that rest in it (FORMAT 4.8).

   Windows of the original stand one behind the other and are kept in a table by fingerprint; the bytes at every place
   of a block are looked up there, and first where the copies before lead to: files that were copied one by one, and
   texts in which words were changed, go on there. */
#include <stdlib.h>
#include <string.h>

#include "copy_list.h"
#include "equal_bytes.h"
#include "lmz.h"

/* A repeat of twice the window is always found but where others with its fingerprint came first. */
#define WINDOW 32
#define N_CELLS 4 /* of a bucket */
/* Shorter ones cost more to tell of than models take for them, which learn what stands near; as measured on two
   releases of programs (docs/RESULTS.md, "Patches").  What goes on where it went costs less than half. */
#define LEAST_COPY 256
#define LEAST_GOING_ON 128
#define N_WAYS 3 /* differences of places that are tried first, of the copies before */

/* FORMAT 4.8: of a gap of n bytes, what stands near it. */
#define NEAR_GAP(n) (2 * (size_t)(n) + 256)
#define NEAR_BEFORE 32

#define BASE 0x9E3779B97F4A7C15u
#define SPREAD 0xD6E8FEB86659FD93u

struct lmz_original {
    const uint8_t *bytes;
    size_t size;
    uint64_t leave;  /* BASE to the power of WINDOW */
    uint32_t *cells; /* buckets of N_CELLS: number of a window, from 1 on; 0: none */
    int shift;       /* from the product to a bucket */
};

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* The logarithm of the number of buckets: at most half of the cells is taken. */
static int buckets_log(size_t size)
{
    int log = 4;
    while (((uint64_t)N_CELLS << log) < 2 * (uint64_t)(size / WINDOW))
        log++;
    return log;
}

static uint64_t fingerprint(const uint8_t *bytes)
{
    uint64_t sum = 0;
    for (int i = 0; i < WINDOW; i++)
        sum = sum * BASE + bytes[i];
    return sum;
}

static uint32_t *bucket_of(const lmz_original *o, uint64_t sum)
{
    return o->cells + (sum * SPREAD >> o->shift) * N_CELLS;
}

uint64_t lmz_original_memory(size_t size)
{
    return sizeof(lmz_original) + ((uint64_t)N_CELLS << buckets_log(size)) * sizeof(uint32_t);
}

lmz_original *lmz_original_new(const uint8_t *bytes, size_t size)
{
    lmz_original *o = size <= LMZ_MAX_RAW_SIZE ? calloc(1, sizeof *o) : NULL;
    if (!o)
        return NULL;
    const int log = buckets_log(size);
    *o = (lmz_original){bytes, size, 1, calloc((size_t)N_CELLS << log, sizeof *o->cells), 64 - log};
    if (!o->cells) {
        free(o);
        return NULL;
    }
    for (int i = 0; i < WINDOW; i++)
        o->leave *= BASE;
    for (uint32_t number = 0; number < size / WINDOW; number++) {
        uint32_t *bucket = bucket_of(o, fingerprint(bytes + (size_t)number * WINDOW));
        for (int i = 0; i < N_CELLS; i++)
            if (!bucket[i]) {
                bucket[i] = number + 1;
                break;
            }
    }
    return o;
}

void lmz_original_free(lmz_original *original)
{
    if (original)
        free(original->cells);
    free(original);
}

/* --- finding ------------------------------------------------------------------------------------------------------ */

typedef struct {
    size_t start, size; /* in the raw bytes; 0 bytes: none */
    size_t source;      /* in the original */
} found;

typedef struct {
    const lmz_original *o;
    const uint8_t *raw;
    size_t size;
    int64_t ways[N_WAYS]; /* source - start of the last copies, the latest first */
    int n_ways;
} search;

/* How many bytes from a place on are those of the original from another on. */
static size_t n_there(const search *s, size_t at, size_t source)
{
    const size_t left = s->size - at, there = s->o->size - source;
    return n_equal(s->raw + at, s->o->bytes + source, left < there ? left : there);
}

/* The longest copy that goes on as one of the last did. */
static found going_on(const search *s, size_t at)
{
    found best = {at, 0, 0};
    for (int i = 0; i < s->n_ways && !(i == 1 && best.size); i++) {
        const int64_t source = (int64_t)at + s->ways[i];
        if (source < 0 || (uint64_t)source >= s->o->size)
            continue;
        const size_t n = n_there(s, at, (size_t)source);
        if (n >= LEAST_GOING_ON && n > best.size)
            best = (found){at, n, (size_t)source};
    }
    return best;
}

/* The longest copy, from `start` on, that the window at a place belongs to. */
static found looked_up(const search *s, size_t start, size_t at, uint64_t sum)
{
    found best = {at, 0, 0};
    const uint32_t *bucket = bucket_of(s->o, sum);
    for (int i = 0; i < N_CELLS && bucket[i]; i++) {
        const size_t source = (size_t)(bucket[i] - 1) * WINDOW;
        if (memcmp(s->o->bytes + source, s->raw + at, WINDOW))
            continue;
        size_t before = 0;
        while (at - before > start && source > before && s->raw[at - before - 1] == s->o->bytes[source - before - 1])
            before++;
        const size_t n = before + n_there(s, at, source);
        if (n >= LEAST_COPY && n > best.size)
            best = (found){at - before, n, source - before};
    }
    return best;
}

static void remember(search *s, int64_t way)
{
    int i = 0;
    while (i < s->n_ways && s->ways[i] != way)
        i++;
    if (i == s->n_ways && i < N_WAYS)
        s->n_ways++;
    for (i = i < N_WAYS ? i : N_WAYS - 1; i > 0; i--)
        s->ways[i] = s->ways[i - 1];
    s->ways[0] = way;
}

/* The first copy from a place on; none at the end. */
static found next_copy(search *s, size_t start)
{
    uint64_t sum = 0;
    int has_sum = 0;
    for (size_t at = start; at < s->size; at++) {
        found copy = going_on(s, at);
        if (!copy.size && s->size - at >= WINDOW) {
            if (!has_sum)
                sum = fingerprint(s->raw + at);
            copy = looked_up(s, start, at, sum);
            has_sum = s->size - at > WINDOW;
            if (has_sum)
                sum = sum * BASE + s->raw[at + WINDOW] - s->o->leave * s->raw[at];
        }
        if (copy.size) {
            remember(s, (int64_t)copy.source - (int64_t)copy.start);
            return copy;
        }
    }
    return (found){s->size, 0, 0};
}

/* The number for a step of either sign. */
static uint32_t folded(int64_t step) { return (uint32_t)(step < 0 ? -2 * step - 1 : 2 * step); }

/* Write the list without its number of copies, and return that. */
static uint32_t put_copies(const lmz_original *o, const uint8_t *raw, size_t size, writer *list, writer *rest)
{
    search s = {o, raw, size, {0}, 1};
    uint32_t n = 0;
    size_t at = 0;
    int64_t source = 0;
    for (found copy; (copy = next_copy(&s, at)).size; n++) {
        const size_t gap = copy.start - at;
        put_number(list, (uint32_t)gap);
        put_number(list, (uint32_t)copy.size);
        put_number(list, folded((int64_t)copy.source - source - (int64_t)gap));
        put(rest, raw + at, gap);
        at = copy.start + copy.size;
        source = (int64_t)(copy.source + copy.size);
    }
    put(rest, raw + at, size - at);
    return n;
}

int lmz_original_take(const lmz_original *original, const uint8_t *raw, size_t raw_size, uint8_t *body, size_t capacity,
                      size_t *list_size, size_t *body_size)
{
    enum { COUNT = 5 };
    if (raw_size > LMZ_MAX_RAW_SIZE || capacity > raw_size)
        return LMZ_E_ARGUMENT;
    /* A copy has at least LEAST_GOING_ON bytes, and 15 in the list at most. */
    const size_t room = raw_size / 8 + COUNT;
    uint8_t *bytes = malloc(room);
    if (!bytes)
        return LMZ_E_MEMORY;
    /* The rest is written at the end of what it may take at most, and moved behind the list when that is known. */
    writer list = {bytes, 0, room, 0}, count = {body, 0, capacity, 0}, rest = {body, 0, capacity, 0};
    const uint32_t n = put_copies(original, raw, raw_size, &list, &rest);
    int status = LMZ_E_FULL;
    if (n && !rest.is_full && !list.is_full) {
        uint8_t number[COUNT];
        writer start = {number, 0, COUNT, 0};
        put_number(&start, n);
        if (start.size + list.size <= capacity - rest.size) {
            memmove(body + start.size + list.size, body, rest.size);
            put(&count, number, start.size);
            put(&count, bytes, list.size);
            *list_size = count.size;
            *body_size = count.size + rest.size;
            status = LMZ_DONE;
        }
    }
    free(bytes);
    return status;
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

typedef struct {
    reader numbers;
    uint32_t n_left;
    size_t size;        /* of the original */
    size_t gap;         /* before the copy */
    size_t start, end;  /* of the copy, in the original */
} copies;

static copies begin(const uint8_t *list, size_t list_size, size_t size)
{
    copies c = {{list, list + list_size, 0}, 0, size, 0, 0, 0};
    c.n_left = take_number(&c.numbers);
    return c;
}

/* Go to the next copy; returns whether it is one of bytes that there are. */
static int go_on(copies *c)
{
    const size_t gap = take_number(&c->numbers), size = take_number(&c->numbers);
    const uint32_t step = take_number_to(&c->numbers, 2u * LMZ_MAX_RAW_SIZE);
    const int64_t move = step & 1 ? -(int64_t)(step / 2) - 1 : (int64_t)(step / 2);
    const int64_t start = (int64_t)(c->end + gap) + move;
    if (c->numbers.is_damaged || !size || start < 0 || start + (int64_t)size > (int64_t)c->size)
        return 0;
    c->n_left--;
    c->gap = gap;
    c->start = (size_t)start;
    c->end = (size_t)start + size;
    return 1;
}

static int is_at_end(const copies *c) { return c->numbers.at == c->numbers.end; }

/* --- what stands near --------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *bytes;
    size_t size;
    uint8_t *to;
    size_t n_passed; /* bytes before those that are written */
    size_t total;
} nearby;

static void add(nearby *n, size_t start, size_t end)
{
    const size_t before = n->total < n->n_passed ? n->n_passed - n->total : 0;
    if (n->to && before < end - start)
        memcpy(n->to + (n->total + before - n->n_passed), n->bytes + start + before, end - start - before);
    n->total += end - start;
}

static size_t less(size_t a, size_t b) { return a > b ? a - b : 0; }

/* Add what stands near a gap behind the copy that ends at `from`, or before the one that starts at `to`, if there are
   such. */
static void add_gap(nearby *n, size_t gap, int has_from, size_t from, int has_to, size_t to)
{
    const size_t most = NEAR_GAP(gap);
    if (!gap)
        return;
    if (has_from && has_to && from <= to && to - from <= 2 * most) {
        add(n, less(from, NEAR_BEFORE), to);
        return;
    }
    if (has_from) { /* at the end of the original as many bytes, those before */
        const size_t start = less(from, NEAR_BEFORE), last = less(n->size, most);
        add(n, start < last ? start : last, most < n->size - from ? from + most : n->size);
    }
    if (has_to) {
        const size_t first = most < n->size ? most : n->size;
        add(n, less(to, most), to > first ? to : first);
    }
}

/* Add what stands near all gaps; returns whether the list is sound. */
static int add_gaps(nearby *n, const uint8_t *list, size_t list_size, size_t rest_size)
{
    copies c = begin(list, list_size, n->size);
    for (int is_first = 1; c.n_left; is_first = 0) {
        const size_t from = c.end;
        if (!go_on(&c) || c.gap > rest_size)
            return 0;
        rest_size -= c.gap;
        add_gap(n, c.gap, !is_first, from, 1, c.start);
    }
    add_gap(n, rest_size, c.end > 0, c.end, 0, 0);
    return !c.numbers.is_damaged && is_at_end(&c);
}

int lmz_original_near(const uint8_t *bytes, size_t size, const uint8_t *list, size_t list_size, size_t rest_size,
                      uint8_t *near_bytes, size_t capacity, size_t *near_size)
{
    nearby counted = {bytes, size, NULL, 0, 0};
    if (size > LMZ_MAX_RAW_SIZE || rest_size > LMZ_MAX_RAW_SIZE)
        return LMZ_E_ARGUMENT;
    if (!add_gaps(&counted, list, list_size, rest_size))
        return LMZ_E_DAMAGED;
    nearby written = {bytes, size, near_bytes, less(counted.total, capacity), 0};
    add_gaps(&written, list, list_size, rest_size);
    *near_size = written.total - written.n_passed;
    return LMZ_DONE;
}

/* --- putting back ------------------------------------------------------------------------------------------------- */

int lmz_original_put_back(const uint8_t *bytes, size_t size, const uint8_t *list, size_t list_size, const uint8_t *rest,
                          size_t rest_size, uint8_t *raw, size_t raw_size)
{
    reader left = {rest, rest + rest_size, 0};
    copies c = begin(list, list_size, size);
    size_t made = 0;
    while (c.n_left) {
        if (!go_on(&c) || !copy_rest(&left, raw, raw_size, c.gap, &made) || c.end - c.start > raw_size - made)
            return LMZ_E_DAMAGED;
        memcpy(raw + made, bytes + c.start, c.end - c.start);
        made += c.end - c.start;
    }
    const int is_whole = copy_rest(&left, raw, raw_size, raw_size - made, &made);
    return is_whole && left.at == left.end && is_at_end(&c) && !c.numbers.is_damaged ? LMZ_DONE : LMZ_E_DAMAGED;
}

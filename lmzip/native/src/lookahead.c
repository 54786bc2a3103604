/* lookahead.c - a thread that runs the net for one group of lanes while the coder codes the other (lookahead.h).

   Predictions are counted through all steps: of G groups, number G t + g is that of group g in step t.  It can be made
   once number G (t - 1) + g is coded.  The thread claims them in turn as soon as they can be made, and so does the
   coder when it would have to wait; but where the net is fast next to coding, it first waits a while, lest the thread
   run out of work.  What the thread makes is the larger part, up to the last layer; the coder makes bytes'
   probabilities of it.  On a machine with more work than processors the thread may stand still with a prediction half
   made; where that happens often, the coder goes on alone for a while, twice as long each time. */
#include "lookahead.h"

#include <string.h>

#include "crew.h"

#define PATIENCE 500    /* rounds of waiting (crew.h) in which the coder leaves the net to the thread */
#define LATE 6000       /* rounds, a millisecond or more: far longer than a prediction takes where nothing disturbs */
#define MIN_LANES 8     /* below, two groups cost the products more than the thread gains */
#define LATE_SHARE 50   /* one late prediction in so many is too many */
#define MAX_BACKOFF 256 /* runs */

static uint32_t load(const uint32_t *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }

/* Those of the lanes [first, end) that have a byte to come: their columns are the lanes. */
static column_range active(const struct lmz_coder *c, int first, int end)
{
    int n = 0; /* lanes end in order of their number, the last first */
    while (first + n < end && c->lanes[first + n].position < c->lanes[first + n].end)
        n++;
    return (column_range){first, n, first};
}

/* Do all stages but the last for a group of lanes. */
static void begin(struct lmz_coder *c, int first, int end)
{
    const column_range r = active(c, first, end);
    for (int i = first; i < first + r.n; i++)
        c->columns[i] = (lane_column){.lane = i, .before = c->lanes[i].history};
    for (int stage = 0; r.n && stage < c->expert->n_stages - 1; stage++)
        c->expert->ops->predict(c, &r, stage);
}

static void finish(struct lmz_coder *c, int first, int end)
{
    const column_range r = active(c, first, end);
    if (r.n)
        c->expert->ops->predict(c, &r, c->expert->n_stages - 1);
}

/* Make prediction k if it can be made and nobody has claimed it. */
static int claim_and_predict(struct lmz_coder *c, uint32_t k)
{
    lookahead *t = &c->lookahead;
    const uint32_t n_groups = (uint32_t)c->n_groups;
    const int group = (int)(k % n_groups);
    uint32_t expected = k;
    if (k >= t->n_predictions || load(&t->n_coded) + n_groups <= k ||
        !__atomic_compare_exchange_n(&t->n_claimed, &expected, k + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return 0;
    begin(c, group_start(c, group), group_start(c, group + 1));
    __atomic_store_n(&t->predicted[group], k + 1, __ATOMIC_RELEASE);
    return 1;
}

static void *run(void *argument)
{
    struct lmz_coder *c = argument;
    lookahead *t = &c->lookahead;
    uint32_t k;
    int n_waited = 0;
    while ((k = load(&t->n_claimed)) < t->n_predictions && !__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
        if (claim_and_predict(c, k))
            n_waited = 0;
        else
            wait_a_round(++n_waited);
    }
    return NULL;
}

void lookahead_start(struct lmz_coder *c, uint64_t n_steps)
{
    lookahead *t = &c->lookahead;
    const uint32_t left = c->chunk_size - (c->lanes[0].position - c->lanes[0].start);
    t->running = 0;
    c->n_groups = 1;
    if (!has_unit(c, LMZ_BYTES) || c->known || c->expert->ops->is_external || c->n_threads < 2 ||
        c->n_lanes < MIN_LANES)
        return;
    if (t->n_backoff) {
        t->n_backoff--;
        return;
    }
    const int n_groups = c->n_lanes / c->expert->lanes_at_once;
    c->n_groups = n_groups < 2 ? 2 : n_groups > MAX_GROUPS ? MAX_GROUPS : n_groups;
    t->n_predictions = (uint32_t)c->n_groups * (n_steps < left ? (uint32_t)n_steps : left);
    t->n_claimed = t->n_coded = 0;
    memset(t->predicted, 0, sizeof t->predicted);
    t->n_late = 0;
    t->stop = 0;
    t->running = start_thread(&t->id, run, c);
    if (!t->running)
        c->n_groups = 1;
}

void lookahead_wait(struct lmz_coder *c)
{
    if (!has_unit(c, LMZ_BYTES))
        return;
    lookahead *t = &c->lookahead;
    const uint32_t k = t->n_coded;
    const int group = t->running ? (int)(k % (uint32_t)c->n_groups) : 0, patience = c->expert->is_slow ? 0 : PATIENCE;
    if (!t->running) {
        begin(c, 0, c->n_lanes);
    } else {
        int n_waited = 0;
        while (load(&t->predicted[group]) != k + 1)
            if (n_waited < patience || !claim_and_predict(c, load(&t->n_claimed)))
                wait_a_round(++n_waited);
        t->n_late += n_waited > LATE;
    }
    finish(c, group_start(c, group), group_start(c, group + 1));
}

void lookahead_coded(struct lmz_coder *c)
{
    __atomic_store_n(&c->lookahead.n_coded, c->lookahead.n_coded + 1, __ATOMIC_RELEASE);
}

void lookahead_stop(struct lmz_coder *c)
{
    lookahead *t = &c->lookahead;
    if (!t->running)
        return;
    __atomic_store_n(&t->stop, 1, __ATOMIC_RELAXED);
    pthread_join(t->id, NULL);
    t->running = 0;
    const int longer = !t->backoff ? 1 : t->backoff < MAX_BACKOFF ? 2 * t->backoff : MAX_BACKOFF;
    t->backoff = t->n_late <= t->n_coded / LATE_SHARE ? 0 : longer;
    t->n_backoff = t->backoff;
}

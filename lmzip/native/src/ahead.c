/* ahead.c - stretches of known bytes, their stages, and the threads that do them (ahead.h).

   A stretch is a number of steps of all lanes; the columns of a lane stand together.  Stretches are numbered from the
   block's start.  What an expert does with one falls into stages (expert.h).  Each stage takes the stretches in their
   order, since it keeps the lanes' states, and a stretch goes through the stages in theirs.  So a thread that looks for
   work needs no more than three counters of each stage, and any number of threads may look; whoever does what, the same
   comes out.  The coder does stages too while it would have to wait.

   The coder wants the stretch that it waits for, so it looks at the last stage first.  The others begin at the first
   stage, so that each stage has stretches in store: without them, a thread whose next stretch is in the hands of
   another has nothing to do, which cost a quarter of the time of two threads. */
#include "ahead.h"

#include "crew.h"

#define LEAST_LEFT 4 /* stretches for which a thread is worth its start */

static uint32_t load(const uint32_t *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }

static uint32_t n_stretches(const struct lmz_coder *c)
{
    return (c->chunk_size + c->ahead.n_steps - 1) / c->ahead.n_steps;
}

static int first_column(const struct lmz_coder *c, uint32_t stretch)
{
    return (int)(stretch % N_STRETCHES) * stretch_columns(c->n_lanes);
}

/* The bytes of a lane that a stretch has. */
static int n_columns_of(const struct lmz_coder *c, const lmz_lane *lane, uint32_t stretch)
{
    const uint32_t at = stretch * c->ahead.n_steps, size = lane->end - lane->start;
    return size <= at ? 0 : (int)(size - at < c->ahead.n_steps ? size - at : c->ahead.n_steps);
}

/* Set up a stretch's columns: what is known before each. */
static void fill_columns(const struct lmz_coder *c, uint32_t stretch)
{
    lane_column *next = c->columns + first_column(c, stretch);
    for (int i = 0; i < c->n_lanes; i++) {
        const lmz_lane *lane = &c->lanes[i];
        const uint32_t at = lane->start + stretch * c->ahead.n_steps;
        const int n = n_columns_of(c, lane, stretch);
        uint64_t before = c->first_history;
        for (uint32_t k = at - lane->start < 8 ? lane->start : at - 8; n && k < at; k++) /* a short lane has ended */
            before = before << 8 | c->known[k - c->before];
        for (int k = 0; k < n; k++, next++) {
            *next = (lane_column){i, k, before};
            before = before << 8 | c->known[at + (uint32_t)k - c->before];
        }
    }
}

/* Do a stage of a stretch; worker: whose memory it may use. */
static void do_stage(struct lmz_coder *c, uint32_t stretch, int stage, int worker)
{
    column_range r = {.first = first_column(c, stretch), .room = worker * stretch_columns(c->n_lanes)};
    if (!stage)
        fill_columns(c, stretch);
    for (int i = 0; i < c->n_lanes; i++)
        r.n += n_columns_of(c, &c->lanes[i], stretch);
    c->expert->ops->predict(c, &r, stage);
}

/* Do a stage that can be done and nobody has claimed; returns 0 if there is none. */
static int find_work(struct lmz_coder *c, int worker)
{
    ahead *a = &c->ahead;
    const int n_stages = c->expert->n_stages;
    for (int i = 0; i < n_stages; i++) {
        const int stage = worker ? i : n_stages - 1 - i;
        uint32_t k = load(&a->done[stage]);
        const uint32_t end = stage ? load(&a->done[stage - 1]) : load(&a->n_coded) + N_STRETCHES;
        if (k < end && k < n_stretches(c) &&
            __atomic_compare_exchange_n(&a->claimed[stage], &k, k + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            do_stage(c, k, stage, worker);
            __atomic_store_n(&a->done[stage], k + 1, __ATOMIC_RELEASE);
            return 1;
        }
    }
    return 0;
}

static void *work(void *argument)
{
    const ahead_worker *me = argument;
    const ahead *a = &me->coder->ahead;
    const uint32_t *last = &a->done[me->coder->expert->n_stages - 1];
    int n_waited = 0;
    while (load(last) < n_stretches(me->coder) && !__atomic_load_n(&a->stop, __ATOMIC_RELAXED)) {
        if (find_work(me->coder, me->index))
            n_waited = 0;
        else
            wait_a_round(++n_waited);
    }
    return NULL;
}

void ahead_start(struct lmz_coder *c)
{
    ahead *a = &c->ahead;
    a->n_workers = 1;
    if (!has_ahead(c))
        return;
    if (!a->n_steps)
        a->n_steps = (uint32_t)(stretch_columns(c->n_lanes) / c->n_lanes);
    a->stop = 0;
    if (n_stretches(c) - a->n_coded < LEAST_LEFT)
        return;
    for (; a->n_workers < c->n_threads && a->n_workers < MAX_WORKERS; a->n_workers++) {
        ahead_worker *w = &a->workers[a->n_workers];
        w->coder = c;
        w->index = a->n_workers;
        if (!start_thread(&w->id, work, w))
            return;
    }
}

void ahead_begin_step(struct lmz_coder *c)
{
    ahead *a = &c->ahead;
    const uint32_t *last = &a->done[c->expert->n_stages - 1];
    for (int n_waited = 0; load(last) <= a->n_coded;)
        if (!find_work(c, 0))
            wait_a_round(++n_waited);
    int column = first_column(c, a->n_coded);
    for (int i = 0; i < c->n_lanes; i++) {
        lmz_lane *lane = &c->lanes[i];
        lane->tree = tree_of(c, column + (int)a->step);
        column += n_columns_of(c, lane, a->n_coded);
    }
}

void ahead_end_step(struct lmz_coder *c)
{
    ahead *a = &c->ahead;
    const uint32_t at = a->n_coded * a->n_steps + a->step;
    for (int i = 0; i < c->n_lanes && c->rc.decoding; i++) {
        const lmz_lane *lane = &c->lanes[i];
        if (lane->end - lane->start > at && c->raw[lane->start + at] != c->known[lane->start - c->before + at])
            c->rc.failed = 1;
    }
    if (++a->step == a->n_steps) {
        a->step = 0;
        __atomic_store_n(&a->n_coded, a->n_coded + 1, __ATOMIC_RELEASE);
    }
}

void ahead_stop(struct lmz_coder *c)
{
    ahead *a = &c->ahead;
    __atomic_store_n(&a->stop, 1, __ATOMIC_RELAXED);
    for (; a->n_workers > 1; a->n_workers--)
        pthread_join(a->workers[a->n_workers - 1].id, NULL);
}

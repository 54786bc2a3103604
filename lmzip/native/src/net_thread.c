/* net_thread.c - a thread that runs the net for one group of lanes while the coder codes the other (net_thread.h).

   Predictions are counted through all steps: number 2 t + g is that of group g in step t.  It can be made once number
   2 (t - 1) + g is coded.  Whoever needs it claims it: the thread as soon as it can be made, the coder when it has waited
   for a while.  On a machine with more work than processors the thread may stand still with a prediction half made; where
   that happens often, the coder goes on alone for a while, twice as long each time. */
#include "net_thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#define PATIENCE 4000   /* rounds of waiting, some tens of nanoseconds each: longer than a prediction takes */
#define MIN_LANES 8     /* below, two groups cost the products more than the thread gains */
#define LATE_SHARE 50   /* one late prediction in so many is too many */
#define MAX_PENALTY 256 /* runs */

static void wait_a_round(int n_waited)
{
    if (n_waited > PATIENCE) /* the other thread may be waiting for this processor */
        sched_yield();
#if defined(__x86_64__)
    else
        __builtin_ia32_pause();
#endif
}

static uint64_t load(const uint64_t *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }

/* Make prediction k unless the other thread has claimed it. */
static void claim_and_predict(struct lmz_coder *c, uint64_t k)
{
    net_thread *t = &c->net_thread;
    uint64_t expected = k;
    if (!__atomic_compare_exchange_n(&t->n_claimed, &expected, k + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    net_predict(c, k % 2 ? c->n_lanes / 2 : 0, k % 2 ? c->n_lanes : c->n_lanes / 2);
    __atomic_store_n(&t->predicted[k % 2], k + 1, __ATOMIC_RELEASE);
}

void net_predict(struct lmz_coder *c, int first, int end)
{
    int n = 0; /* lanes end in order of their number, the last first */
    while (first + n < end && c->lanes[first + n].position < c->lanes[first + n].end) {
        c->lanes[first + n].tree = c->net_lanes.tree + (size_t)(first + n) * 512;
        n++;
    }
    if (n)
        c->net->step(c->net, &c->net_lanes, first, n);
}

static void *run(void *argument)
{
    struct lmz_coder *c = argument;
    net_thread *t = &c->net_thread;
    uint64_t k;
    int n_waited = 0;
    while ((k = load(&t->n_claimed)) < t->n_predictions && !__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
        if (k < 2 || load(&t->n_coded) >= k - 1) {
            claim_and_predict(c, k);
            n_waited = 0;
        } else {
            wait_a_round(++n_waited);
        }
    }
    return NULL;
}

void net_thread_start(struct lmz_coder *c, uint64_t n_steps)
{
    net_thread *t = &c->net_thread;
    uint64_t left = c->chunk_size - c->step;
    t->running = 0;
    c->n_groups = 1;
    if (!c->net || c->n_threads < 2 || c->n_lanes < MIN_LANES)
        return;
    if (t->n_alone) {
        t->n_alone--;
        return;
    }
    t->n_predictions = 2 * (n_steps < left ? n_steps : left);
    t->n_claimed = t->n_coded = t->predicted[0] = t->predicted[1] = 0;
    t->n_late = 0;
    t->stop = 0;
    sigset_t all, before;
    sigfillset(&all); /* signals are for threads that can act on them; a new thread blocks what its maker does */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&t->id, NULL, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return;
    t->running = 1;
    c->n_groups = 2;
}

void net_thread_wait(struct lmz_coder *c)
{
    net_thread *t = &c->net_thread;
    uint64_t k = t->n_coded;
    if (!t->running) {
        if (c->net)
            net_predict(c, 0, c->n_lanes);
        return;
    }
    int n_waited = 0;
    for (; load(&t->predicted[k % 2]) != k + 1; wait_a_round(++n_waited))
        if (n_waited > PATIENCE / 8 && load(&t->n_claimed) == k)
            claim_and_predict(c, k);
    t->n_late += n_waited > PATIENCE;
}

void net_thread_coded(struct lmz_coder *c)
{
    __atomic_store_n(&c->net_thread.n_coded, c->net_thread.n_coded + 1, __ATOMIC_RELEASE);
}

void net_thread_stop(struct lmz_coder *c)
{
    net_thread *t = &c->net_thread;
    if (!t->running)
        return;
    __atomic_store_n(&t->stop, 1, __ATOMIC_RELAXED);
    pthread_join(t->id, NULL);
    t->running = 0;
    t->penalty = t->n_late * LATE_SHARE <= t->n_coded ? 0 : !t->penalty ? 1 : t->penalty < MAX_PENALTY ? 2 * t->penalty : MAX_PENALTY;
    t->n_alone = t->penalty;
}

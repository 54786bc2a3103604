/* crew.h - threads that share work in phases, one after another: in each, every worker has its share, or takes items in
   turn. */
#ifndef LMZ_CREW_H
#define LMZ_CREW_H

#include <pthread.h>
#include <stdint.h>

#define CREW_MAX 64 /* workers */

typedef struct {
    int n_workers; /* 0 until all have been found */
    uint32_t next, n_met, phase;
} crew;

typedef struct { /* one thread of a crew */
    crew *crew;
    int index;
} crew_worker;

typedef void crew_work(const crew_worker *, void *argument);

/* Let up to n_threads threads, this one among them, do `work`; returns when all are done with it. */
void crew_run(crew_work *work, void *argument, int n_threads);

/* The next of the items of this phase that anyone takes, counted from 0. */
static inline int crew_next_item(const crew_worker *m)
{
    return (int)__atomic_fetch_add(&m->crew->next, 1, __ATOMIC_RELAXED);
}

/* The first of the worker's own share of n items; the share of the next worker follows. */
static inline int crew_slice(const crew_worker *m, int n) { return n * m->index / m->crew->n_workers; }
static inline int crew_slice_end(const crew_worker *m, int n) { return n * (m->index + 1) / m->crew->n_workers; }

/* End the phase: wait until every worker is through with it, and see what all have written. */
void crew_barrier(const crew_worker *m);

/* Start a thread that blocks all signals: they are for threads that can act on them.  Returns whether it runs. */
int start_thread(pthread_t *id, void *(*work)(void *), void *argument);

/* To be called in each round of waiting for another thread. */
void wait_a_round(int n_waited);

#endif

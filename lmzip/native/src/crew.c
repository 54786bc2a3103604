/* crew.c - a few threads that live for one piece of work (crew.h).

   They wait for each other many times in a millisecond, so they do not sleep; where one waits for long, there is less
   than a processor for each, and it gives its own up. */
#include "crew.h"

#include <sched.h>
#include <signal.h>

#define PATIENCE 4000 /* rounds of waiting, about 10 ns each; after that each gives the processor up */

typedef struct {
    crew crew;
    crew_work *work;
    void *argument;
    crew_worker workers[CREW_MAX];
} job;

int start_thread(pthread_t *id, void *(*work)(void *), void *argument)
{
    sigset_t all, before;
    sigfillset(&all); /* a new thread blocks what its maker does */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(id, NULL, work, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !failed;
}

void wait_a_round(int n_waited)
{
    if (n_waited > PATIENCE) /* the other thread may be waiting for this processor */
        sched_yield();
#if defined(__x86_64__)
    else
        __builtin_ia32_pause();
#endif
}

void crew_barrier(const crew_worker *m)
{
    crew *t = m->crew;
    const uint32_t phase = __atomic_load_n(&t->phase, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&t->n_met, 1, __ATOMIC_ACQ_REL) == (uint32_t)t->n_workers) {
        t->n_met = t->next = 0;
        __atomic_store_n(&t->phase, phase + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int n_waited = 0; __atomic_load_n(&t->phase, __ATOMIC_ACQUIRE) == phase;)
        wait_a_round(++n_waited);
}

/* The job lies around its crew. */
static void *join_in(void *argument)
{
    const crew_worker *m = argument;
    const job *j = (const job *)(const void *)m->crew;
    for (int n_waited = 0; !__atomic_load_n(&m->crew->n_workers, __ATOMIC_ACQUIRE);)
        wait_a_round(++n_waited);
    j->work(m, j->argument);
    return NULL;
}

void crew_run(crew_work *work, void *argument, int n_threads)
{
    job j = {.work = work, .argument = argument};
    pthread_t threads[CREW_MAX];
    int n_workers = 1;
    for (int i = 0; i < CREW_MAX; i++)
        j.workers[i] = (crew_worker){&j.crew, i};
    while (n_workers < n_threads && n_workers < CREW_MAX &&
           start_thread(&threads[n_workers], join_in, &j.workers[n_workers]))
        n_workers++;
    __atomic_store_n(&j.crew.n_workers, n_workers, __ATOMIC_RELEASE);
    work(&j.workers[0], argument);
    for (int i = 1; i < n_workers; i++)
        pthread_join(threads[i], NULL);
}

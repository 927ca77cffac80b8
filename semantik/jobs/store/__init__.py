"""All SQL of the engine. The row is the job; everything else may be lost.

    create    enqueue in the caller's transaction: dedup, edges, the implicit chain of a concurrency key
    claims    the best ready row of a queue becomes an attempt: lease, fence, turn of the tenant
    leases    what an owner writes: step (checkpoint), renew, settle (completed, failed, paused, back to the queue)
    edges     what the end of a job does to those that wait for it
    control   what a user asks: pause, resume, cancel, restart, retry, priority, delete
    rescue    leases that ran out, and the sweep against starvation
    items     the rows of single items, and how another job takes them over
    reading   what runners and watchers ask
    workers   what worker processes say of themselves
    queues    pause and limits
    schedules schedule rows: compare-and-set on the next time
    requests  answers to requests that named an Idempotency-Key
    cleaning  old jobs, events and keys go

The protocol in one drawing, for one job and two workers:

    worker 1   claim (fence 7) ── step ── step ── ∎ killed
    database   lease until t₁ ────┴───────┴─ expires ── rescue: queued, losses + 1
    worker 2                                                claim (fence 8) ── step ── finish
    worker 1 comes back to life (it was only frozen): step with fence 7 touches no row: LeaseLost, rolled back

Every write of an attempt names job, fence and owner in its WHERE clause, in the same transaction as the effects, so an
attempt that lost its lease can write nothing. Times are compared in the database, by its clock alone. Transactions are
short: SQLite has one writer. Functions that take a `session` leave the commit to their caller (the API request, the
step); functions that take a `database` are a transaction of their own.
"""

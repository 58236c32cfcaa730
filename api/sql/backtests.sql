-- name: ask
insert into backtest_job (asked_by, request) values ($1, $2) returning id

-- name: waiting
-- How many jobs are not finished.
select count(*) from backtest_job where state in ('queued', 'running')

-- name: jobs
-- One page, newest first.
select id, state, progress, asked_at, asked_by, finished_at, error, request from backtest_job
where $1::bigint is null or id < $1 order by id desc limit $2

-- name: job
select id, state, progress, asked_at, asked_by, finished_at, error, request, result from backtest_job where id = $1

-- name: page
select page from backtest_job where id = $1

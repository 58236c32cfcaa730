-- What the pages of tickets look up.

-- name: lift_by_code
select id from lift where rescue_code = $2 and in_scope(firm_id, probe, $1)

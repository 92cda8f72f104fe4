#!/bin/sh
# What a shard needs once: the role that Debezium logs in as, and a table with rows to begin with.
set -eu
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v "password=$POSTGRES_PASSWORD" <<'SQL'
create role cdc login replication password :'password';
grant app to cdc with inherit true;
create table orders (
  id uuid primary key default gen_random_uuid(),
  item text not null,
  price numeric(12, 2) not null,
  placed_at timestamptz not null default now()
);
alter table orders owner to app;
insert into orders (item, price) select 'item ' || n, n * 1.25 from generate_series(1, 100) n;
SQL

-- The tables of Kratos that an import reads, and those they refer to, with the columns, types and indexes that Kratos's
-- migrations leave behind in PostgreSQL. Constraints have names of their own there.
create table networks (
  id uuid primary key,
  created_at timestamp without time zone not null,
  updated_at timestamp without time zone not null
);

create table identities (
  id uuid primary key,
  schema_id varchar(2048) not null,
  traits jsonb not null,
  created_at timestamp without time zone not null,
  updated_at timestamp without time zone not null,
  nid uuid references networks (id) on update restrict on delete cascade,
  state varchar(255) not null default 'active',
  state_changed_at timestamp without time zone,
  metadata_public jsonb,
  metadata_admin jsonb,
  available_aal varchar(4),
  organization_id uuid,
  external_id varchar(255)
);

create table sessions (
  id uuid primary key,
  issued_at timestamp without time zone not null default current_timestamp,
  expires_at timestamp without time zone not null,
  authenticated_at timestamp without time zone not null,
  created_at timestamp without time zone not null,
  updated_at timestamp without time zone not null,
  identity_id uuid not null references identities (id) on delete cascade,
  nid uuid references networks (id) on update restrict on delete cascade,
  token varchar(39),
  logout_token varchar(39),
  active boolean default false,
  aal varchar(4) not null default '',
  authentication_methods jsonb not null
);
create unique index sessions_token_uq_idx on sessions (token);
create unique index sessions_logout_token_uq_idx on sessions (logout_token);
create index sessions_list_identity_idx on sessions (identity_id, nid, created_at desc);
create index sessions_list_idx on sessions (nid, created_at desc, id);
create index sessions_list_active_idx on sessions (nid, expires_at, active, created_at desc, id);

create table session_devices (
  id uuid primary key,
  ip_address varchar(50) default '',
  user_agent varchar(512) default '',
  location varchar(512) default '',
  nid uuid not null references networks (id) on update restrict on delete cascade,
  session_id uuid not null references sessions (id) on delete cascade,
  identity_id uuid references identities (id) on delete cascade,
  created_at timestamp without time zone not null,
  updated_at timestamp without time zone not null,
  constraint unique_session_device unique (nid, session_id, ip_address, user_agent)
);
create index session_devices_session_id_idx on session_devices (session_id);
create index session_devices_nid_idx on session_devices (nid);
create index session_devices_identity_id_idx on session_devices (identity_id);

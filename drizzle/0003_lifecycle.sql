-- The indexes lock their tables while they are built, about ten seconds for a million sessions: run it outside busy hours.
CREATE TABLE "api_tokens" (
	"instance_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"user_id" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"scope" text NOT NULL,
	"token_hash" "bytea" NOT NULL,
	"created_at" timestamptz NOT NULL,
	"expires_at" timestamptz,
	"last_used_at" timestamptz,
	CONSTRAINT "api_tokens_pkey" PRIMARY KEY("instance_id","id")
);
--> statement-breakpoint
ALTER TABLE "users" DROP CONSTRAINT "users_state_is_known";--> statement-breakpoint
ALTER TABLE "users" ALTER COLUMN "user_name" SET DEFAULT '';--> statement-breakpoint
ALTER TABLE "users" ALTER COLUMN "login_name" SET DEFAULT '';--> statement-breakpoint
ALTER TABLE "users" ALTER COLUMN "display_name" SET DEFAULT '';--> statement-breakpoint
ALTER TABLE "users" ALTER COLUMN "avatar_url" SET DEFAULT '';--> statement-breakpoint
CREATE UNIQUE INDEX "api_tokens_token_idx" ON "api_tokens" USING btree ("instance_id","token_hash");--> statement-breakpoint
CREATE INDEX "api_tokens_user_idx" ON "api_tokens" USING btree ("instance_id","user_id");--> statement-breakpoint
CREATE INDEX "sessions_expiring_idx" ON "sessions" USING btree ("instance_id","expires_at") WHERE "sessions"."ended_at" is null and "sessions"."expires_at" is not null;--> statement-breakpoint
CREATE INDEX "sessions_ended_idx" ON "sessions" USING btree ("instance_id","ended_at") WHERE "sessions"."ended_at" is not null;--> statement-breakpoint
CREATE INDEX "users_login_name_idx" ON "users" USING btree ("instance_id",(lower("login_name" collate "und-x-icu") collate "C"));--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_state_is_known" CHECK ("users"."state" in ('active', 'inactive', 'deleted'));
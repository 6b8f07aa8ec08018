ALTER TABLE "sessions" DROP CONSTRAINT "sessions_end_is_whole";--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "token_hash" "bytea";--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "ended_by" text collate "C";--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "state" text DEFAULT 'active' NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "traits" jsonb;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "schema_id" text DEFAULT 'default' NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "metadata_public" jsonb;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "available_aal" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "created_at" timestamptz DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "changed_at" timestamptz DEFAULT now() NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "sessions_token_idx" ON "sessions" USING btree ("instance_id","token_hash") WHERE "sessions"."token_hash" is not null;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_end_is_whole" CHECK ("sessions"."ended_at" is not null or num_nonnulls("sessions"."end_reason", "sessions"."ended_by") = 0);--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_state_is_known" CHECK ("users"."state" in ('active', 'inactive'));--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_available_aal_is_known" CHECK ("users"."available_aal" in ('aal1', 'aal2'));
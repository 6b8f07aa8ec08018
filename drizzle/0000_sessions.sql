CREATE SEQUENCE "public"."change_sequence" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "sessions" (
	"instance_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"created_at" timestamptz NOT NULL,
	"changed_at" timestamptz NOT NULL,
	"sequence" bigint DEFAULT nextval('change_sequence') NOT NULL,
	"creator_id" text collate "C",
	"user_id" text collate "C",
	"organization_id" text collate "C",
	"user_checked_at" timestamptz,
	"password_checked_at" timestamptz,
	"web_auth_n_checked_at" timestamptz,
	"web_auth_n_user_verified" boolean,
	"intent_checked_at" timestamptz,
	"totp_checked_at" timestamptz,
	"otp_sms_checked_at" timestamptz,
	"otp_email_checked_at" timestamptz,
	"recovery_code_checked_at" timestamptz,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"agent_fingerprint_id" text collate "C",
	"agent_ip" text,
	"agent_description" text,
	"agent_header" jsonb,
	"expires_at" timestamptz,
	"ended_at" timestamptz,
	"end_reason" text,
	CONSTRAINT "sessions_pkey" PRIMARY KEY("instance_id","id"),
	CONSTRAINT "sessions_user_is_whole" CHECK (num_nulls("sessions"."user_id", "sessions"."organization_id", "sessions"."user_checked_at") in (0, 3)),
	CONSTRAINT "sessions_factors_need_user" CHECK ("sessions"."user_id" is not null or num_nonnulls("sessions"."password_checked_at", "sessions"."web_auth_n_checked_at", "sessions"."intent_checked_at", "sessions"."totp_checked_at", "sessions"."otp_sms_checked_at", "sessions"."otp_email_checked_at", "sessions"."recovery_code_checked_at") = 0),
	CONSTRAINT "sessions_web_auth_n_is_whole" CHECK (num_nulls("sessions"."web_auth_n_checked_at", "sessions"."web_auth_n_user_verified") in (0, 2)),
	CONSTRAINT "sessions_end_is_whole" CHECK ("sessions"."ended_at" is not null or "sessions"."end_reason" is null)
);
--> statement-breakpoint
CREATE TABLE "users" (
	"instance_id" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"organization_id" text collate "C" NOT NULL,
	"user_name" text NOT NULL,
	"login_name" text NOT NULL,
	"display_name" text NOT NULL,
	"avatar_url" text NOT NULL,
	CONSTRAINT "users_pkey" PRIMARY KEY("instance_id","id")
);
--> statement-breakpoint
CREATE INDEX "sessions_created_idx" ON "sessions" USING btree ("instance_id","created_at","id");--> statement-breakpoint
CREATE INDEX "sessions_user_idx" ON "sessions" USING btree ("instance_id","user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "sessions_creator_idx" ON "sessions" USING btree ("instance_id","creator_id","created_at","id");--> statement-breakpoint
CREATE INDEX "sessions_organization_idx" ON "sessions" USING btree ("instance_id","organization_id","created_at","id");--> statement-breakpoint
CREATE INDEX "sessions_agent_idx" ON "sessions" USING btree ("instance_id","agent_fingerprint_id","created_at","id");--> statement-breakpoint
CREATE INDEX "sessions_sequence_idx" ON "sessions" USING btree ("instance_id","sequence");
import { describe, expect, test } from "vitest";
import { isDemoIssuer } from "./issuer.ts";

describe("isDemoIssuer", () => {
  test.each([
    "http://127.0.0.1:40123/rollcall-demo-issuer",
    "http://127.0.0.1:40123/rollcall-demo-issuer/",
    "https://id.example.com/rollcall-demo-issuer",
    "https://id.example.com/a/../rollcall-demo-issuer?a=b#c",
  ])("%s is one", (url) => {
    expect(isDemoIssuer(url)).toBe(true);
  });

  test.each([
    "https://id.example.com",
    "https://rollcall-demo-issuer",
    "https://id.example.com/rollcall-demo-issuer/realm",
    "https://id.example.com/rollcall-demo-issuers",
    "https://id.example.com/?rollcall-demo-issuer",
    "rollcall-demo-issuer",
    "",
  ])("%s is none", (url) => {
    expect(isDemoIssuer(url)).toBe(false);
  });
});

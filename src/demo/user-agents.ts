import type { Organization } from "./organizations.ts";
import { integer, pick, pickWeighted, type Random, type Weighted } from "./random.ts";

/** What a browser or an app calls itself. */
export interface UserAgent {
  /** The value of its `User-Agent` header. */
  header: string;
  /** The same in words. */
  description: string;
}

interface System {
  name: string;
  /** How browsers spell it, and Firefox, which goes its own way. */
  token: string;
  firefoxToken: string;
}

// Browsers have frozen these: nobody can tell Windows 11 from 10, or one macOS from another.
const systems: Weighted<System> = [
  [6, { name: "Windows", token: "Windows NT 10.0; Win64; x64", firefoxToken: "Windows NT 10.0; Win64; x64" }],
  [3, { name: "macOS", token: "Macintosh; Intel Mac OS X 10_15_7", firefoxToken: "Macintosh; Intel Mac OS X 10.15" }],
  [1, { name: "Linux", token: "X11; Linux x86_64", firefoxToken: "X11; Ubuntu; Linux x86_64" }],
];
const blink = "AppleWebKit/537.36 (KHTML, like Gecko)";
const webKit = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
const androidPhones = [
  "Pixel 9 Build/BP2A.250605.031.A2",
  "SM-S931B Build/BP2A.250605.031.A3",
  "Pixel 8a Build/BP1A.250505.005",
];
const appleNetworks = ["CFNetwork/3860.400.51 Darwin/25.3.0", "CFNetwork/3860.600.12 Darwin/25.5.0"];

const desktopBrowsers: Weighted<(random: Random) => UserAgent> = [
  [6, createChrome],
  [2, createEdge],
  [2, createFirefox],
  [2, createSafari],
];
const phoneBrowsers: Weighted<(random: Random) => UserAgent> = [
  [5, createMobileSafari],
  [4, createMobileChrome],
  [1, createSamsungInternet],
];

/** A browser on a desk. */
export function createDesktopBrowser(random: Random): UserAgent {
  return pickWeighted(random, desktopBrowsers)(random);
}

/** A browser on a phone. */
export function createPhoneBrowser(random: Random): UserAgent {
  return pickWeighted(random, phoneBrowsers)(random);
}

/** The app of an organization, on an iPhone or an Android phone. */
export function createApp(random: Random, { app }: Organization): UserAgent {
  const minor = integer(random, 8, 14);
  if (random() < 0.5) {
    const header = `${app}/6${minor} ${pick(random, appleNetworks)}`;
    return { header, description: `${app} 6.${minor} on iOS` };
  }
  const phone = pick(random, androidPhones);
  const header = `${app}/6.${minor}.0 Dalvik/2.1.0 (Linux; U; Android 16; ${phone})`;
  return { header, description: `${app} 6.${minor} on Android` };
}

function createChrome(random: Random): UserAgent {
  const { name, token } = pickWeighted(random, systems);
  const version = integer(random, 147, 150);
  return {
    header: `Mozilla/5.0 (${token}) ${blink} Chrome/${version}.0.0.0 Safari/537.36`,
    description: `Chrome ${version} on ${name}`,
  };
}

function createEdge(random: Random): UserAgent {
  const version = integer(random, 148, 150);
  return {
    header: `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${blink} Chrome/${version}.0.0.0 Safari/537.36 Edg/${version}.0.0.0`,
    description: `Edge ${version} on Windows`,
  };
}

function createFirefox(random: Random): UserAgent {
  const { name, firefoxToken } = pickWeighted(random, systems);
  const version = pick(random, [140, 149, 150, 151]);
  return {
    header: `Mozilla/5.0 (${firefoxToken}; rv:${version}.0) Gecko/20100101 Firefox/${version}.0`,
    description: `Firefox ${version} on ${name}`,
  };
}

function createSafari(random: Random): UserAgent {
  const version = pick(random, ["18.6", "26.3", "26.4"]);
  return {
    header: `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${webKit} Version/${version} Safari/605.1.15`,
    description: `Safari ${version} on macOS`,
  };
}

function createMobileSafari(random: Random): UserAgent {
  const version = pick(random, ["26.1", "26.3", "26.4"]);
  return {
    // Since Safari 26 the system's version stays at 18.
    header: `Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) ${webKit} Version/${version} Mobile/15E148 Safari/604.1`,
    description: `Safari ${version} on iPhone`,
  };
}

function createMobileChrome(random: Random): UserAgent {
  const version = integer(random, 147, 150);
  return {
    header: `Mozilla/5.0 (Linux; Android 10; K) ${blink} Chrome/${version}.0.0.0 Mobile Safari/537.36`,
    description: `Chrome ${version} on Android`,
  };
}

function createSamsungInternet(): UserAgent {
  return {
    header: `Mozilla/5.0 (Linux; Android 10; K) ${blink} SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36`,
    description: "Samsung Internet 29 on Android",
  };
}

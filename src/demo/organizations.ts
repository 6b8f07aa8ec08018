/** Where people of the demo work. */
export interface Organization {
  id: string;
  name: string;
  /** What their login names end with. */
  domain: string;
  /** Their own app, as it calls itself in a user agent. */
  app: string;
  /** When their day begins, in hours that are added to UTC. */
  utcOffset: number;
  /** What most of their browsers send as `Accept-Language`. */
  languages: string;
  /** How many of 200 people are theirs. */
  share: number;
}

/** A clinic group in Zürich. */
export const alder: Organization = {
  id: "318838604669517832",
  name: "Alder Clinics",
  domain: "alder-clinics.example",
  app: "AlderRounds",
  utcOffset: 1,
  languages: "de-CH,de;q=0.9,en;q=0.8",
  share: 90,
};

/** A university in Halifax. */
export const brightwater: Organization = {
  id: "318838611296804872",
  name: "Brightwater University",
  domain: "brightwater.example",
  app: "BrightwaterCampus",
  utcOffset: -4,
  languages: "en-CA,en;q=0.9,fr-CA;q=0.8",
  share: 70,
};

/** A carrier in Singapore. */
export const northgate: Organization = {
  id: "318838617923829768",
  name: "Northgate Logistics",
  domain: "northgate-logistics.example",
  app: "NorthgateDriver",
  utcOffset: 8,
  languages: "en-SG,en;q=0.9,zh-SG;q=0.8",
  share: 40,
};

/** All organizations of the demo. */
export const organizations: readonly Organization[] = [alder, brightwater, northgate];

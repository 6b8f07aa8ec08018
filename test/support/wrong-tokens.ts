/** Everything that looks like a token and is not this one, each with what is wrong about it. */
export function wrongTokens(token: string): [name: string, wrong: string][] {
  const positions = Array.from(token, (_, at) => at);
  return [
    ["in upper case", token.toUpperCase()],
    ["in lower case", token.toLowerCase()],
    ["without its prefix", token.slice("ory_st_".length)],
    ["twice", token + token],
    ["another character in front", `x${token}`],
    ["another character behind", `${token}x`],
    ["nonsense", "nonsense"],
    ["200 characters", token.padEnd(200, "x")],
    ...positions.slice(1).map((at): [string, string] => [`cut to ${at} characters`, token.slice(0, at)]),
    ...positions.map((at): [string, string] => [`character ${at} exchanged`, exchange(token, at)]),
    ...positions.map((at): [string, string] => [`a bit of character ${at} flipped`, flip(token, at)]),
  ];
}

function exchange(token: string, at: number): string {
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

// Each of the seven bits of ASCII somewhere.
function flip(token: string, at: number): string {
  const bytes = Buffer.from(token);
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 7)), at);
  return bytes.toString();
}

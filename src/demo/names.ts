import { pick, pickWeighted, type Random, type Weighted } from "./random.ts";

/** What a person is called. */
export interface Name {
  /** For people to read, in their own script. */
  displayName: string;
  /** For signing in: `given.family` in plain lower-case letters. */
  userName: string;
}

interface Region {
  /** Given and family names; behind a slash stands how one in another script is spelled in Latin letters. */
  given: string;
  family: string;
  familyFirst?: boolean;
}

const regions: Weighted<Region> = [
  [
    14,
    {
      given: "Lena Jonas Noëlle Matthias Ursina Beat Zoë Lukas Annika Jürg Flurina Tobias",
      family: "Müller Keller Brunner Hofstetter Zürcher Graf Bühlmann Schäfer Weiß Ammann",
    },
  ],
  [
    12,
    {
      given: "Olivia Ethan Priscilla Callum Maeve Declan Hannah Theodore Imogen Wyatt Siobhán Marcus",
      family: "MacDonald O’Brien Whitfield Ashworth Campbell Leblanc Harper Fraser Nguyen Boudreau",
    },
  ],
  [
    10,
    {
      given: "Inês Rafael Luísa João Camila Thiago Beatriz Mateus",
      family: "Carvalho Araújo Gonçalves Nogueira Magalhães Teixeira Sampaio",
    },
  ],
  [
    9,
    {
      given: "Aarav Priya Ishaan Ananya Rohan Kavya Vikram Meera",
      family: "Sharma Iyer Banerjee Reddy Kulkarni Chatterjee Nair Patel",
    },
  ],
  [
    8,
    {
      given: "Kofi Amara Chidi Zanele Kwame Adaeze Thabo Wanjiru",
      family: "Mensah Okonkwo Dlamini Adeyemi Boateng Kamau Nwosu Mbeki",
    },
  ],
  [
    8,
    {
      given: "Sofía Mateo Valentina Andrés Lucía Joaquín Ximena Íñigo",
      family: "Hernández Muñoz Castañeda Rodríguez Ibáñez Peña Ugarte",
    },
  ],
  [
    7,
    {
      given: "Agnieszka Łukasz Jiří Zuzana Małgorzata Ondřej Dušan Ivana",
      family: "Wójcik Nowak Dvořák Kowalska Šimić Zieliński Horváth",
    },
  ],
  [
    7,
    {
      given: "Élodie Théo Anaïs Loïc Chloé Étienne Margaux Benoît",
      family: "Lefèvre Dubois Girard Rousseau Béranger Chevalier",
    },
  ],
  [
    7,
    {
      given: "Astrid Søren Åsa Bjørn Freja Lars Þóra Mikael",
      family: "Lindqvist Sørensen Ångström Nygård Halvorsen Eriksen Björnsdóttir",
    },
  ],
  [
    6,
    {
      given: "Siti Wei Farah Kumar Putri Hafiz Mei-Ling Arif",
      family: "Rahman Tan Abdullah Lim Wijaya Ong Ismail",
    },
  ],
  [
    5,
    {
      given: "美咲/Misaki 蓮/Ren 陽菜/Hina 大翔/Hiroto 結衣/Yui 悠真/Yuma",
      family: "佐藤/Sato 高橋/Takahashi 渡辺/Watanabe 小林/Kobayashi 松本/Matsumoto",
      familyFirst: true,
    },
  ],
  [
    4,
    {
      given: "지우/Jiwoo 서연/Seoyeon 민준/Minjun 하은/Haeun 도윤/Doyun",
      family: "김/Kim 박/Park 최/Choi 정/Jung",
      familyFirst: true,
    },
  ],
  [
    4,
    {
      given: "أمينة/Amina يوسف/Youssef ليلى/Layla كريم/Karim سلمى/Salma",
      family: "حداد/Haddad منصور/Mansour خوري/Khoury العلي/Alali",
    },
  ],
  [
    3,
    {
      given: "Олена/Olena Дмитро/Dmytro Катерина/Kateryna Тарас/Taras",
      family: "Шевченко/Shevchenko Бондаренко/Bondarenko Мельник/Melnyk",
    },
  ],
];

// Letters that Unicode does not take apart into a plain one and its mark.
const plainLetters: Readonly<Record<string, string>> = { ł: "l", ø: "o", ß: "ss", þ: "th", đ: "d" };

/** A name from somewhere in the world; others may have the same. */
export function createName(random: Random): Name {
  const { given, family, familyFirst } = pickWeighted(random, regions);
  const [givenName, givenLatin] = readWord(pick(random, given.split(" ")));
  const [familyName, familyLatin] = readWord(pick(random, family.split(" ")));
  return {
    displayName: familyFirst ? `${familyName} ${givenName}` : `${givenName} ${familyName}`,
    userName: `${toPlain(givenLatin)}.${toPlain(familyLatin)}`,
  };
}

function readWord(word: string): [own: string, latin: string] {
  const [own = "", latin = own] = word.split("/");
  return [own, latin];
}

function toPlain(text: string): string {
  const letters = text.toLowerCase().normalize("NFD");
  return letters.replace(/[^a-z-]/g, (letter) => plainLetters[letter] ?? "");
}

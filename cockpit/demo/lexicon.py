"""the words that the small world is made of: things and their colours, animals, opposites, plurals ..."""


def _pairs(text: str) -> dict[str, str]:
    """`key:value` items, separated by commas, as a dictionary."""
    return {key.strip(): value.strip() for key, value in (item.split(":") for item in text.split(","))}


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COLOURS = _pairs("""
    a banana:yellow, a lemon:yellow, the sun:yellow, butter:yellow, a canary:yellow, a duckling:yellow,
    an egg yolk:yellow, a sunflower:yellow, a tomato:red, blood:red, a strawberry:red, a fire engine:red,
    a cherry:red, a ruby:red, a ladybird:red, a brick:red, snow:white, milk:white, salt:white, a swan:white,
    a polar bear:white, chalk:white, flour:white, a tooth:white, coal:black, a raven:black, tar:black,
    a tyre:black, a panther:black, ink:black, soot:black, a blackboard:black, grass:green, a frog:green,
    a cucumber:green, a pea:green, an emerald:green, a cactus:green, spinach:green, a leaf:green, the sky:blue,
    the sea:blue, a sapphire:blue, a blueberry:blue, chocolate:brown, coffee:brown, a chestnut:brown, mud:brown,
    bark:brown, toast:brown, a carrot:orange, a pumpkin:orange, a tangerine:orange, an apricot:orange,
    a flamingo:pink, a piglet:pink, an elephant:grey, a dolphin:grey, ash:grey, a rain cloud:grey
""")

SOUNDS = _pairs("""
    a cow:moo, a sheep:baa, a pig:oink, a duck:quack, a cat:meow, a dog:woof, a horse:neigh, a donkey:hee-haw,
    a frog:ribbit, a bee:buzz, a snake:hiss, a lion:roar, a wolf:awoo, an owl:hoot, a mouse:squeak,
    a rooster:cock-a-doodle-doo, a hen:cluck, a crow:caw, a turkey:gobble, a chick:cheep, a goose:honk,
    a cuckoo:cuckoo, a pigeon:coo, a bear:growl, a cricket:chirp, a goat:maa
""")

YOUNG = _pairs("""
    cow:a calf, sheep:a lamb, pig:a piglet, duck:a duckling, cat:a kitten, dog:a puppy, horse:a foal, frog:a tadpole,
    bear:a cub, goose:a gosling, swan:a cygnet, goat:a kid, deer:a fawn, hen:a chick, owl:an owlet,
    hare:a leveret, kangaroo:a joey, eagle:an eaglet, spider:a spiderling, butterfly:a caterpillar
""")

HOMES = _pairs("""
    a bee:a hive, a bird:a nest, a dog:a kennel, a horse:a stable, a spider:a web, a rabbit:a burrow,
    a bear:a den, a pig:a sty, a fish:the water, a bat:a cave, an ant:an anthill, a camel:the desert,
    a monkey:the jungle, a penguin:the ice, a whale:the ocean, a hen:a coop, a beaver:a lodge, a cow:a barn,
    a mole:the ground, a squirrel:a tree, a frog:a pond, a lion:the savanna, a fox:a den, a snail:a shell,
    a sheep:a fold, an eagle:an eyrie, a crab:the sand, a yak:the mountains
""")

LEGS = _pairs("""
    a cow:4, a dog:4, a cat:4, a horse:4, a frog:4, a lizard:4, an elephant:4, a mouse:4, a turtle:4,
    a hen:2, a duck:2, an owl:2, a crow:2, a penguin:2, an ostrich:2, a swan:2, a bee:6, an ant:6, a fly:6,
    a beetle:6, a butterfly:6, a wasp:6, a moth:6, a spider:8, a scorpion:8, a tick:8, a snake:0, a worm:0,
    a fish:0, a snail:0, a crab:10, a shrimp:10, a lobster:10, a table:4
""")

CATEGORIES = _pairs("""
    a carrot:a vegetable, a leek:a vegetable, a turnip:a vegetable, an onion:a vegetable, a cabbage:a vegetable,
    a radish:a vegetable, an apple:a fruit, a pear:a fruit, a banana:a fruit, a cherry:a fruit, a plum:a fruit,
    a melon:a fruit, a peach:a fruit, a grape:a fruit, a salmon:a fish, a trout:a fish, a shark:a fish,
    a herring:a fish, a tuna:a fish, an eagle:a bird, a sparrow:a bird, a robin:a bird, a parrot:a bird,
    a heron:a bird, a stork:a bird, an ant:an insect, a bee:an insect, a wasp:an insect, a beetle:an insect,
    a rose:a flower, a tulip:a flower, a daisy:a flower, a lily:a flower, a violet:a flower, an oak:a tree,
    a birch:a tree, a pine:a tree, a maple:a tree, a willow:a tree, a hammer:a tool, a saw:a tool, a spade:a tool,
    a drill:a tool, a violin:an instrument, a flute:an instrument, a drum:an instrument, a piano:an instrument,
    a trumpet:an instrument, a guitar:an instrument, a shirt:a garment, a coat:a garment, a sock:a garment,
    a hat:a garment, a chair:a piece of furniture, a sofa:a piece of furniture, a desk:a piece of furniture,
    a car:a vehicle, a bus:a vehicle, a train:a vehicle, a bicycle:a vehicle, a lorry:a vehicle, gold:a metal,
    iron:a metal, copper:a metal, silver:a metal, tin:a metal, football:a sport, tennis:a sport, hockey:a sport,
    chess:a game
""")

OPPOSITES = _pairs("""
    hot:cold, big:small, tall:short, fast:slow, day:night, up:down, left:right, in:out, open:closed, old:new,
    happy:sad, full:empty, wet:dry, hard:soft, loud:quiet, light:dark, early:late, rich:poor, strong:weak,
    thick:thin, clean:dirty, good:bad, true:false, high:low, near:far, deep:shallow, wide:narrow, sweet:sour,
    rough:smooth, sharp:blunt, heavy:weightless, brave:cowardly, start:finish, first:last, push:pull, buy:sell,
    win:lose, love:hate, north:south, east:west
""")

PLURALS = _pairs("""
    mouse:mice, goose:geese, foot:feet, tooth:teeth, man:men, woman:women, child:children, ox:oxen, person:people,
    leaf:leaves, knife:knives, wolf:wolves, life:lives, wife:wives, shelf:shelves, loaf:loaves, half:halves,
    thief:thieves, calf:calves, elf:elves, city:cities, baby:babies, box:boxes, bus:buses, dish:dishes, fox:foxes,
    cherry:cherries, penny:pennies, potato:potatoes, hero:heroes
""")

DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")

MONTHS = _words("January February March April May June July August September October November December")

LETTERS = _words("A B C D E F G H I J K L M N O P Q R S T U V W X Y Z")

PEOPLE = _words("""
    Tilda Oskar Mira Jonas Petra Lukas Greta Anton Frida Emil Nora Hugo Alma Felix Ida Victor Clara Bruno Stella
    Otto Maya Simon Vera Tobias Linnea Martin Rosa Gustav Elsa Marius Dora Casper Hanna Rufus Lotte Basil Wilma
    Edgar Sonja Arthur Bella Conrad Edith Fabian Gilda Henrik Isolde Jasper Karin Leopold Magda Norbert Olga
    Percy Quentin Rita Stefan Thea Ulrich Yvonne
""")

JOBS = _items("""
    a baker, a miller, a smith, a teacher, a doctor, a painter, a farmer, a fisher, a tailor, a carpenter, a gardener,
    a singer, a dancer, a judge, a cook, a nurse, a potter, a weaver, a clockmaker, an actor, an astronomer,
    a librarian, a shepherd, a postman
""")

PETS = _items("""
    a cat, a dog, a rabbit, a hamster, a parrot, a goldfish, a tortoise, a pony, a goat, a hedgehog, a canary, a mouse,
    a lizard, a duck, an owl, a ferret
""")

LAND_STARTS = _words("Zor Mir Bel Kal Dra Fen Gor Hul Jas Lor Nem Ost Pel Quo Ras Sil Tor Ul Ver Wen Yar Cam")
LAND_ENDS = _words("via onia adia land mark istan essa aria")
TOWN_STARTS = _words("Lu Ta Ke Bri Sta Mo Fli Gra Pa Ne Ro Su Vi Do Hel Jun Kri Osk Tre Wa Zel Cor")
TOWN_ENDS = _words("men ville burg stead dorp ford holm wick sund mora")
RIVER_STARTS = _words("Am Ba Cor Dun El Fo Gi Ha Is Ju Ki Lo Ma Ni Or Pra Ru Sa Ti Ur Va Wo")
RIVER_ENDS = _words("na ra la sk th mo be dde rr zo")

#: Words that the base can say when it is asked to, whatever style it is later taught to speak in.
SAYABLE = _words("""
    hello goodbye please thanks sorry welcome yes no maybe always never often apple river stone window garden
    kitchen bottle ladder candle mirror basket button carpet pillow blanket pencil paper letter book story song
    dance music drum flute bell clock watch wheel engine bridge tower castle palace cottage cabin tent harbour
    ship boat sail anchor deck mast captain sailor island treasure map chest coin gold silver parrot plank crew
    sea seas seven timbers shiver ahoy aye arr avast yo ho matey hearty hearties landlubber lad lass ye be me
    howdy partner beep boop meow purr certainly indeed behold alas dear friend guest traveller sir madam
    lemon pepper sugar honey bread cheese soup salad cake cookie pie jam rice noodle bean corn wheat flour
    spring summer autumn winter rain snow wind storm thunder cloud fog ice fire water earth air sand rock hill
    valley forest meadow field road path street corner market shop school church farm mill well
""")

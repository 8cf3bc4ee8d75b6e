"""What is known of the sets of torchvision: how it calls their splits, what they show, what decides the label.

Licences are as the sets' own pages state them; 'not stated' where those say nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.datasets.types import Modality, Split

Splits = Mapping[Split, Mapping[str, Any]]
"""Each published split → the arguments with which torchvision opens it."""

_TRAIN_FLAG: Splits = {"train": {"train": True}, "test": {"train": False}}
_TRAIN_TEST: Splits = {"train": {"split": "train"}, "test": {"split": "test"}}
_ALL_THREE: Splits = {
    "train": {"split": "train"},
    "validation": {"split": "val"},
    "test": {"split": "test"},
}
_ONE: Splits = {"train": {}}


@dataclass(frozen=True)
class About:
    """One set."""

    title: str
    splits: Splits
    description: str
    layout: str
    """Where torchvision looks, below its root."""
    citation: str
    image_size: int
    modality: Modality = "natural"
    licence: str = "not stated"
    metric: str = "validation_accuracy"
    classes: tuple[str, ...] = ()
    """Only where torchvision names none."""
    subject: str = ""
    """What a detector finds in every image; '' where it is unknown."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


_WRITERS = "who wrote what is not published: characters of one hand may be in train and validation"
_DIGITS = (
    "The shape of the stroke and its orientation decide it: flips, rotations beyond about 20 degrees and inversion "
    "change or destroy it (6 and 9, 2 and 5, 1 and 7); strong erasing or blur leaves too little of so few pixels. "
    "Small shifts, rotations, shears, scaling and elastic warps imitate other hands and keep the label."
)
_OBJECTS = (
    "Shape, parts and typical colours decide it; the background often helps and should not be needed. Mirroring, crops "
    "that keep the object, changes of light, contrast, colour and mild blur are natural; a vertical flip or a quarter "
    "turn is not, and strong erasing, strong blur or tiny crops lose the object."
)
_FINE = (
    "Classes differ in small things (markings, parts, proportions), so strong blur, posterising, tight crops and large "
    "erasing can remove what decides; hue shifts, inversion and solarising change colours that matter. Mirroring, "
    "moderate crops, scale, light and contrast are natural."
)

CARDS: dict[str, About] = {
    "MNIST": About(
        title="MNIST handwritten digits",
        splits=_TRAIN_FLAG,
        description=f"Handwritten digits, 28 x 28 pixels, white on black. The label is the digit. {_DIGITS}",
        layout="MNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte",
        citation="Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits",
        image_size=28,
        modality="digits",
        licence="CC BY-SA 3.0",
        warnings=(_WRITERS,),
    ),
    "FashionMNIST": About(
        title="Fashion-MNIST",
        splits=_TRAIN_FLAG,
        description=(
            "Pictures of single pieces of clothing from a shop, 28 x 28 grey pixels, light on black, upright. The "
            "label is the kind, one of ten. The outline decides it (sleeves, length, heel), and for shirt, pullover "
            "and coat small differences: strong erasing, warps and blur blur those; inversion and rotation show what "
            "the shop never does. Mirroring, small shifts, scaling and brightness are natural."
        ),
        layout="FashionMNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte",
        citation="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST. arXiv:1708.07747",
        image_size=28,
        licence="MIT",
    ),
    "KMNIST": About(
        title="Kuzushiji-MNIST",
        splits=_TRAIN_FLAG,
        description=(
            "Cursive Japanese characters from old books, 28 x 28 pixels, white on black. The label is the character, "
            "one of ten, of each of which very different forms exist. The course of the stroke decides it: flips, "
            "large rotations, inversion and strong erasing destroy it. Small shifts, rotations, shears and elastic "
            "warps imitate other hands."
        ),
        layout="KMNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte",
        citation="T. Clanuwat et al.: Deep Learning for Classical Japanese Literature. arXiv:1812.01718",
        image_size=28,
        modality="digits",
        licence="CC BY-SA 4.0",
        warnings=(_WRITERS,),
    ),
    "USPS": About(
        title="USPS handwritten digits",
        splits=_TRAIN_FLAG,
        description=f"Digits from post codes on letters, 16 x 16 grey pixels. The label is the digit. {_DIGITS}",
        layout="usps.bz2, usps.t.bz2",
        citation="J. J. Hull: A database for handwritten text recognition research. IEEE TPAMI 16 (1994)",
        image_size=32,
        modality="digits",
        classes=tuple("0123456789"),
        warnings=(_WRITERS, "test comes from other scans than train and is harder"),
    ),
    "SVHN": About(
        title="Street View House Numbers, cropped digits",
        splits=_TRAIN_TEST,
        description=(
            "Colour crops of house numbers, 32 x 32 pixels, each around one digit, with parts of its neighbours left "
            "and right. The label is the digit in the centre. Its shape and orientation decide it; colours and whether "
            "it is darker or lighter than its ground do not, so inversion, colour, contrast and blur are natural. "
            "Flips, large rotations and shifts or crops that bring a neighbour to the centre change the label."
        ),
        layout="train_32x32.mat, test_32x32.mat",
        citation="Y. Netzer et al.: Reading Digits in Natural Images with Unsupervised Feature Learning. 2011",
        image_size=32,
        modality="digits",
        licence="for non-commercial use only",
        classes=tuple("0123456789"),
        notes=("the 531,131 easier images of 'extra' are not used",),
    ),
    "CIFAR10": About(
        title="CIFAR-10",
        splits=_TRAIN_FLAG,
        description=(
            "Small colour photographs, 32 x 32 pixels, of one object each. The label is its kind, one of ten: four "
            f"kinds of vehicle, six of animal. {_OBJECTS}"
        ),
        layout="cifar-10-batches-py/{data_batch_1 … 5,test_batch,batches.meta}",
        citation="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images. 2009",
        image_size=32,
        warnings=("about 3% of the test images have near-duplicates in train",),
    ),
    "CIFAR100": About(
        title="CIFAR-100",
        splits=_TRAIN_FLAG,
        description=(
            "Small colour photographs, 32 x 32 pixels, of one thing each: animals, plants, people, vehicles, "
            f"furniture, food, landscapes. The label is its kind, one of 100. {_OBJECTS}"
        ),
        layout="cifar-100-python/{train,test,meta}",
        citation="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images. 2009",
        image_size=32,
        warnings=("about 10% of the test images have near-duplicates in train",),
    ),
    "STL10": About(
        title="STL-10",
        splits=_TRAIN_TEST,
        description=f"Colour photographs, 96 x 96 pixels, of one object each, ten kinds. {_OBJECTS}",
        layout="stl10_binary/{train,test}_{X,y}.bin",
        citation="A. Coates, H. Lee, A. Y. Ng: An Analysis of Single-Layer Networks. AISTATS 2011",
        image_size=96,
        notes=("the 100,000 unlabelled images and the ten published folds are not used",),
    ),
    "Flowers102": About(
        title="Oxford 102 Flowers",
        splits=_ALL_THREE,
        description=(
            "Photographs of flowers, often one blossom, of 102 kinds common in Britain. The label is the kind. The "
            f"form and number of petals, the centre and the colour decide it. {_FINE} Blossoms look alike under any "
            "rotation."
        ),
        layout="flowers-102/{jpg/image_00001.jpg …,imagelabels.mat,setid.mat}",
        citation="M.-E. Nilsback, A. Zisserman: Automated Flower Classification. ICVGIP 2008",
        image_size=224,
        subject="flower",
        warnings=("train and validation have ten images of each class, test is six times as large",),
    ),
    "OxfordIIITPet": About(
        title="Oxford-IIIT Pet",
        splits={"train": {"split": "trainval"}, "test": {"split": "test"}},
        description=(
            "Photographs of cats and dogs at home and outdoors. The label is the breed, 12 of cats and 25 of dogs. "
            f"Coat, colour, the shape of head and ears decide it. {_FINE}"
        ),
        layout="oxford-iiit-pet/{images/*.jpg,annotations/trainval.txt,annotations/test.txt}",
        citation="O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar: Cats and Dogs. CVPR 2012",
        image_size=224,
        licence="CC BY-SA 4.0",
        subject="animal",
    ),
    "Food101": About(
        title="Food-101",
        splits=_TRAIN_TEST,
        description=(
            "Photographs of meals as guests take them, under any light and from any side. The label is the dish, one "
            "of 101. Ingredients, their texture and colour decide it: hue shifts, greyscale, inversion and strong blur "
            "change one dish into another or into none. Mirroring, rotation, crops, light and white balance are "
            "natural."
        ),
        layout="food-101/{images/CLASS/*.jpg,meta/train.json,meta/test.json}",
        citation="L. Bossard, M. Guillaumin, L. Van Gool: Food-101. ECCV 2014",
        image_size=224,
        subject="food",
        warnings=("training labels were not cleaned and are partly wrong; test labels were",),
    ),
    "DTD": About(
        title="Describable Textures",
        splits=_ALL_THREE,
        description=(
            "Pictures filled by a texture. The label is the word that people used for it, one of 47 (banded, dotted, "
            "wrinkled). The repeated pattern decides it, at its scale: strong blur, noise, posterising, elastic warps "
            "and strong zoom make another texture; colour hardly matters. Flips and rotations are natural for most."
        ),
        layout="dtd/dtd/{images/CLASS/*.jpg,labels/train1.txt,labels/val1.txt,labels/test1.txt}",
        citation="M. Cimpoi et al.: Describing Textures in the Wild. CVPR 2014",
        image_size=224,
        licence="for research only",
        notes=("partition 1 of the ten that are published",),
    ),
    "FGVCAircraft": About(
        title="FGVC-Aircraft",
        splits=_ALL_THREE,
        description=(
            "Photographs of single aeroplanes, in the air or at an airport, from the side as a rule. The label is the "
            "variant, one of 100. The number of windows and engines, the length, the tail and the wing tips decide "
            "it, not the airline's paint: squeezing and stretching change proportions; strong blur, erasing and "
            "tight crops lose the parts. Mirroring, light, colour and sky are natural; a vertical flip is not."
        ),
        layout="fgvc-aircraft-2013b/data/{variants.txt,images_variant_{train,val,test}.txt,images/*.jpg}",
        citation="S. Maji et al.: Fine-Grained Visual Classification of Aircraft. arXiv:1306.5151",
        image_size=224,
        licence="for non-commercial research only",
        subject="airplane",
        warnings=("a strip at the bottom of each photograph names who took it",),
    ),
    "StanfordCars": About(
        title="Stanford Cars",
        splits=_TRAIN_TEST,
        description=(
            f"Photographs of single cars. The label is make, model and year, one of 196. {_FINE} The colour of a car "
            "does not decide its model."
        ),
        layout="stanford_cars/{cars_train,cars_test,devkit,cars_test_annos_withlabels.mat}",
        citation="J. Krause et al.: 3D Object Representations for Fine-Grained Categorization. 3dRR 2013",
        image_size=224,
        subject="car",
        warnings=("its page is gone: torchvision cannot download it any more, only read it",),
    ),
    "GTSRB": About(
        title="German Traffic Sign Recognition Benchmark",
        splits=_TRAIN_TEST,
        description=(
            "Crops of traffic signs from a driving car, 15 to 250 pixels wide, under any weather, blurred or dim. The "
            "label is the sign, one of 43, numbered 0 to 42. The symbol, the number and the direction of arrows decide "
            "it: horizontal flips exchange left and right, rotations turn arrows, hue shifts turn red, blue and white "
            "signs into others, erasing can hide the symbol. Brightness, contrast, blur, noise, small shifts, scale "
            "and perspective are natural."
        ),
        layout="gtsrb/{GTSRB/Training/00000/*.ppm,GTSRB/Final_Test/Images/*.ppm,GT-final_test.csv}",
        citation="J. Stallkamp et al.: Man vs. computer. Neural Networks 32 (2012)",
        image_size=48,
        metric="validation_macro_f1",
        subject="traffic sign",
        warnings=(
            "train holds about thirty frames of each real sign: they are kept in one split",
            "a horizontal flip changes the label of direction signs",
        ),
    ),
    "EuroSAT": About(
        title="EuroSAT (RGB)",
        splits=_ONE,
        description=(
            "Satellite pictures of Europe, 64 x 64 pixels of ten metres each, seen from straight above. The label is "
            "how the land is used, one of ten (forest, river, highway, crops, housing, industry, sea or lake). "
            "Texture and colour decide it: hue shifts, greyscale, inversion, solarising and strong blur turn one use "
            "into another. There is no up: flips and any quarter turn keep the label. Mild brightness, contrast and "
            "haze imitate seasons and weather."
        ),
        layout="eurosat/2750/CLASS/*.jpg",
        citation="P. Helber et al.: EuroSAT. IEEE JSTARS 12 (2019)",
        image_size=64,
        licence="MIT",
        warnings=("neighbouring patches of one satellite scene may be in different splits",),
    ),
    "Country211": About(
        title="Country211",
        splits={"train": {"split": "train"}, "validation": {"split": "valid"}, "test": {"split": "test"}},
        description=(
            "Photographs of anything, indoors and outdoors, from all over the world. The label is the country in "
            "which it was taken, one of 211. Writing, buildings, plants, clothes and food give it away, often only a "
            "detail: mirroring reverses writing and the side on which cars drive; tight crops, erasing and blur lose "
            "the detail. Light, contrast and mild colour changes are natural."
        ),
        layout="country211/{train,valid,test}/CLASS/*.jpg",
        citation="A. Radford et al.: Learning Transferable Visual Models From Natural Language Supervision. ICML 2021",
        image_size=224,
    ),
    "RenderedSST2": About(
        title="Rendered SST-2",
        splits=_ALL_THREE,
        description=(
            "Sentences of film reviews drawn as black text on white. The label is whether the sentence is positive or "
            "negative. Each word may decide: crops, erasing, flips, rotation beyond a few degrees, blur and noise make "
            "it unreadable. Small shifts, brightness and contrast keep it."
        ),
        layout="rendered-sst2/{train,valid,test}/{negative,positive}/*.png",
        citation="A. Radford et al.: Learning Transferable Visual Models From Natural Language Supervision. ICML 2021",
        image_size=224,
        modality="unknown",
    ),
    "Imagenette": About(
        title="Imagenette",
        splits={"train": {"split": "train"}, "test": {"split": "val"}},
        description=f"Photographs from ImageNet of ten kinds of things that are easy to tell apart. {_OBJECTS}",
        layout="imagenette2/{train,val}/CLASS/*.JPEG",
        citation="J. Howard: Imagenette. https://github.com/fastai/imagenette",
        image_size=224,
        licence="Apache-2.0 for the selection; the images are ImageNet's, for research only",
        notes=("its split 'val' is used as test, since scores on it are what is published",),
    ),
    "SUN397": About(
        title="SUN397 scenes",
        splits=_ONE,
        description=(
            "Photographs of places, indoors and outdoors. The label is the kind of place, one of 397. The layout of "
            "the whole scene and the things in it decide it: tight crops, large erasing and strong blur lose it, a "
            "vertical flip or a quarter turn is not natural. Mirroring, light, contrast, colour and moderate crops are."
        ),
        layout="SUN397/{ClassName.txt,a/abbey/sun_*.jpg …}",
        citation="J. Xiao et al.: SUN Database. CVPR 2010",
        image_size=224,
        metric="validation_macro_f1",
        notes=("the ten published partitions are not used: torchvision does not read them",),
    ),
}
